"""API keys through the contract, on real stores."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import grpc
import jwt
import psycopg
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from services.auth.policy import api_keys, scopes
from services.kit.errors import Unavailable
from tests.contract.auth.house import ALLOW, DENY, GATEWAY, OPERATOR, SHOP, House
from tests.support.stores import Holder


async def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_the_first_key_opens_the_house(house: House) -> None:
    name, key = await house.organisation()
    answer = await house.authenticate(key)
    assert answer.outcome == ALLOW
    assert answer.reason == decision_pb2.REASON_NONE
    assert (answer.principal.organisation, answer.principal.subject, answer.principal.brand) == (name, "ann", "shop")
    assert answer.principal.plan == "pro"
    assert set(answer.principal.scopes) == scopes.BOOTSTRAP
    claims = jwt.decode(answer.txn_token, options={"verify_signature": False})
    assert (claims["tenant"], claims["req_wl"], claims["aud"], claims["txn"]) == (
        name,
        SHOP,
        "hauberk.local",
        answer.txn,
    )
    assert claims["tctx"]["since"] > 0


async def test_the_key_is_kept_nowhere(house: House) -> None:
    name, key = await house.organisation()
    await house.authenticate(key)
    kept = await house.redis.client.keys("*")
    assert all(key.encode() not in entry for entry in kept)
    async with house.database.tenant(house_proof(house, name)) as connection:
        rows = await (await connection.execute("SELECT k::text FROM auth.api_keys AS k")).fetchall()
    assert len(rows) == 1
    assert key not in rows[0][0]


def house_proof(house: House, organisation: str) -> Any:
    return Holder(house.stores.proof(organisation))


async def test_forged_expired_revoked_and_rotated_keys_look_alike(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    made = {}
    for name in ("expired", "revoked", "rotated"):
        request = pb.CreateApiKeyRequest(subject="ann", brand="shop", scopes=["chat"])
        if name == "expired":
            request.ttl.FromMilliseconds(1000)
        made[name] = await house.call("CreateApiKey", token, request)
    await house.call("RevokeApiKey", token, pb.RevokeApiKeyRequest(key_id=made["revoked"].key.key_id))
    rotation = pb.RotateApiKeyRequest(key_id=made["rotated"].key.key_id)
    rotation.grace.FromSeconds(0)
    successor = await house.call("RotateApiKey", token, rotation)
    await asyncio.sleep(1.05)
    forged = api_keys.compose("hbk", "test", secrets.token_bytes(32))
    answers = [await house.authenticate(text) for text in (forged, *(made[name].api_key for name in made))]
    for answer in answers:
        answer.txn = ""
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].outcome == DENY
    assert answers[0].reason == decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED
    assert not answers[0].HasField("principal")
    assert (await house.authenticate(successor.api_key)).outcome == ALLOW


@pytest.mark.parametrize(
    "credential",
    [
        pb.Credential(api_key="x"),
        pb.Credential(api_key="hbk_live_" + "0" * 49),
        pb.Credential(jwt="a.b.c"),
        pb.Credential(session="s"),
    ],
    ids=["noise", "other environment", "jwt", "session"],
)
async def test_every_bad_credential_gets_the_same_answer(house: House, credential: pb.Credential) -> None:
    answer = await house.authenticate("", credential=credential)
    assert (answer.outcome, answer.reason) == (DENY, decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)
    assert not answer.txn_token


async def test_a_rotated_key_stays_good_in_its_grace(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    key_id = (await house.call("ListApiKeys", token, pb.ListApiKeysRequest())).keys[0].key_id
    issued = await house.call("RotateApiKey", token, pb.RotateApiKeyRequest(key_id=key_id))
    assert issued.old_key_expires_at.seconds - issued.key.created_at.seconds in range(604_799, 604_802)
    assert (await house.authenticate(key)).outcome == ALLOW
    assert (await house.authenticate(issued.api_key)).outcome == ALLOW
    again = house.call("RotateApiKey", token, pb.RotateApiKeyRequest(key_id=key_id))
    assert await status_of(again) is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("scope", ["settle", "signal", "grant", "reset", "restore", "billing.read"])
async def test_no_key_gets_a_reserved_or_wider_scope(house: House, scope: str) -> None:
    _, key = await house.organisation()
    request = pb.CreateApiKeyRequest(subject="ann", scopes=["chat", scope])
    assert (
        await status_of(house.call("CreateApiKey", await house.token(key), request)) is grpc.StatusCode.INVALID_ARGUMENT
    )


async def test_the_database_itself_refuses_a_reserved_scope(house: House) -> None:
    name, _ = await house.organisation()
    with pytest.raises(Unavailable):
        async with house.database.tenant(house_proof(house, name)) as connection:
            with pytest.raises(psycopg.errors.CheckViolation):
                await connection.execute("UPDATE auth.api_keys SET scopes = scopes || '{restore}'")


async def test_only_auth_may_ask_whose_key_a_digest_is_and_sees_no_list(house: House) -> None:
    name, _ = await house.organisation()
    async with house.database.tenant(house_proof(house, name)) as connection:
        row = await (await connection.execute("SELECT digest FROM auth.api_keys")).fetchone()
    assert row is not None
    question = "SELECT org_id FROM auth.key_by_digest(%s)"
    async with house.database.anonymous() as connection:
        assert await (await connection.execute(question, [row[0]])).fetchall() == [(name,)]
        assert await (await connection.execute(question, [b"\0" * 32])).fetchall() == []
        assert await (await connection.execute("SELECT FROM auth.api_keys")).fetchall() == []
    for service in ("tenancy", "ratelimit", "redaction", "audit"):
        dsn = house.stores.service_dsn(service)
        with psycopg.connect(dsn) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(question, [row[0]])


async def test_a_key_without_the_scope_manages_nothing(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    chat = await house.call("CreateApiKey", token, pb.CreateApiKeyRequest(subject="ann", brand="shop", scopes=["chat"]))
    narrow = await house.token(chat.api_key)
    for method, request in [
        ("CreateApiKey", pb.CreateApiKeyRequest(subject="ann", scopes=["chat"])),
        ("RotateApiKey", pb.RotateApiKeyRequest(key_id=chat.key.key_id)),
        ("RevokeApiKey", pb.RevokeApiKeyRequest(key_id=chat.key.key_id)),
        ("ListApiKeys", pb.ListApiKeysRequest()),
        ("RevokeSubject", pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_ORGANISATION)),
    ]:
        assert await status_of(house.call(method, narrow, request)) is grpc.StatusCode.PERMISSION_DENIED


async def test_another_organisations_keys_are_unknown(house: House) -> None:
    _, ours = await house.organisation()
    _, theirs = await house.organisation()
    foreign = (await house.call("ListApiKeys", await house.token(theirs), pb.ListApiKeysRequest())).keys[0].key_id
    token = await house.token(ours)
    for method, kind in (("RotateApiKey", pb.RotateApiKeyRequest), ("RevokeApiKey", pb.RevokeApiKeyRequest)):
        assert await status_of(house.call(method, token, kind(key_id=foreign))) is grpc.StatusCode.NOT_FOUND
    assert (await house.authenticate(theirs)).outcome == ALLOW


async def test_a_key_of_one_brand_is_no_good_for_another_and_that_is_all_one_learns(house: House) -> None:
    _, key = await house.organisation()
    answer = await house.authenticate(key, brand="globex-chat")
    assert (answer.outcome, answer.reason) == (DENY, decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)


async def test_bootstrap_is_once_and_for_members_of_an_organisation_that_exists(house: House) -> None:
    name, _ = await house.organisation()
    for organisation, subject in ((name, "ann"), (name, "eve"), ("no-such-org", "ann")):
        asked = pb.BootstrapApiKeyRequest(organisation=organisation, subject=subject, brand="shop")
        assert await status_of(house.auth(OPERATOR).BootstrapApiKey(asked)) is grpc.StatusCode.FAILED_PRECONDITION


async def test_two_operators_at_once_make_one_key(house: House) -> None:
    name = f"org-{secrets.token_hex(6)}"
    await house.tenancy(OPERATOR).CreateOrganisation(
        tenancy_pb.CreateOrganisationRequest(organisation=name, plan="pro", first_brand="shop", first_admin="ann")
    )
    asked = pb.BootstrapApiKeyRequest(organisation=name, subject="ann", brand="shop")
    found = await asyncio.gather(
        *(house.auth(OPERATOR).BootstrapApiKey(asked) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(answer, pb.BootstrapApiKeyResponse) for answer in found) == 1


async def test_pages_of_keys(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    for _ in range(4):
        await house.call("CreateApiKey", token, pb.CreateApiKeyRequest(subject="ann", scopes=["chat"]))
    seen: list[str] = []
    page_token = ""
    while True:
        page = await house.call("ListApiKeys", token, pb.ListApiKeysRequest(page_size=2, page_token=page_token))
        seen += [entry.key_id for entry in page.keys]
        page_token = page.next_page_token
        if not page_token:
            break
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("workload", ["operator", "tenancy", "ratelimit", "auth"])
async def test_who_may_not_authenticate(house: House, workload: str) -> None:
    assert await status_of(house.authenticate("x", workload)) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_backend_speaks_for_itself_only(house: House) -> None:
    _, key = await house.organisation()
    answer = await house.authenticate(key, SHOP, on_behalf_of="backend/other", txn="chosen-by-a-backend")
    claims = jwt.decode(answer.txn_token, options={"verify_signature": False})
    assert claims["req_wl"] == SHOP
    assert answer.txn != "chosen-by-a-backend"
    through = await house.authenticate(key, GATEWAY, txn="chosen-by-the-gateway")
    assert through.txn == "chosen-by-the-gateway"
