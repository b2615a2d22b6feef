"""How sessions end, and how they are replaced: through the contract, on real stores."""

from __future__ import annotations

import asyncio

import grpc
import jwt
import psycopg
import pytest
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from tests.contract.auth.house import ALLOW, DENY, GATEWAY, OPERATOR, SHOP, House, opened
from tests.contract.auth.session_desk import (
    REFUSED,
    alter,
    new_key,
    open_session,
    present,
    put_member,
    revoke,
    rotate,
    said,
    shown,
    status_of,
)
from tests.support.stores import DataStores


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("created_at = created_at - interval '1 day', expires_at = clock_timestamp()", REFUSED),
        ("last_seen_at = clock_timestamp() - interval '1800 s'", REFUSED),
        ("last_seen_at = clock_timestamp() - interval '1795 s'", (ALLOW, decision_pb2.REASON_NONE)),
        ("scopes = '{}'", (ALLOW, decision_pb2.REASON_NONE)),
    ],
    ids=["life", "idle", "not idle yet", "unrelated"],
)
async def test_life_and_idle_limit(house: House, change: str, expected: tuple[int, int]) -> None:
    _, key = await house.organisation()
    made = await open_session(house, key)
    alter(house, made.session_id, change)
    assert await said(house, made.session) == expected
    assert len(await shown(house, await house.token(key))) == (expected != REFUSED)


async def test_use_keeps_a_session_alive_over_processes_and_restarts(data_stores: DataStores) -> None:
    async with opened(data_stores) as first:
        _, key = await first.organisation()
        made = await open_session(first, key)
        alter(first, made.session_id, "last_seen_at = clock_timestamp() - interval '1700 s'")
        assert (await present(first, made.session)).outcome == ALLOW
        assert (await present(first, made.session)).outcome == ALLOW
    # The process has ended and wrote its last notes: any other one goes by the row.
    with psycopg.connect(data_stores.admin_dsn) as admin:
        question = "SELECT clock_timestamp() - last_seen_at < interval '30 s' FROM auth.sessions WHERE session_id = %s"
        assert admin.execute(question, [made.session_id]).fetchone() == (True,)


async def test_a_rotated_session_is_dead_at_once_and_its_successor_ends_when_it_would_have(house: House) -> None:
    _, key = await house.organisation()
    made = await open_session(house, key, seconds=3600)
    assert (await present(house, made.session)).outcome == ALLOW
    answer = await rotate(house, made.session)
    assert (answer.outcome, answer.principal.subject, answer.principal.plan) == (ALLOW, "ann", "pro")
    assert answer.expires_at == made.expires_at
    assert await said(house, made.session) == REFUSED
    again = await rotate(house, made.session)
    assert (again.outcome, again.reason, again.session) == (*REFUSED, "")
    found = await present(house, answer.session)
    assert jwt.decode(found.txn_token, options={"verify_signature": False})["sid"] == answer.session_id
    assert [row.session_id for row in await shown(house, found.txn_token)] == [answer.session_id]


async def test_of_several_rotations_at_once_one_wins(house: House) -> None:
    _, key = await house.organisation()
    made = await open_session(house, key)
    answers = await asyncio.gather(*(rotate(house, made.session, workload) for workload in [SHOP, GATEWAY] * 4))
    won = [answer for answer in answers if answer.outcome == ALLOW]
    assert len(won) == 1
    assert {(a.outcome, a.reason) for a in answers if a.outcome != ALLOW} == {REFUSED}
    assert (await present(house, won[0].session)).outcome == ALLOW
    assert [row.session_id for row in await shown(house, await house.token(key))] == [won[0].session_id]


async def test_who_gained_a_role_must_rotate_and_who_lost_one_need_not(sharp: House) -> None:
    _, admin = await sharp.organisation()
    await put_member(sharp, admin, "bob", "member")
    made = await open_session(sharp, (await new_key(sharp, admin, "bob")).api_key)
    await put_member(sharp, admin, "bob", "member", "admin")
    for _ in range(2):
        assert await said(sharp, made.session) == (DENY, decision_pb2.REASON_SESSION_ROTATION_REQUIRED)
    fresh = await rotate(sharp, made.session)
    assert (await present(sharp, fresh.session)).outcome == ALLOW
    assert await said(sharp, made.session) == REFUSED
    await put_member(sharp, admin, "bob", "member")
    assert (await present(sharp, fresh.session)).outcome == ALLOW


@pytest.mark.parametrize("what", ["user", "brand", "organisation", "session", "key", "key rotated without grace"])
async def test_whatever_it_stands_on_is_revoked_the_session_ends(house: House, what: str) -> None:
    _, admin = await house.organisation()
    made_key = await new_key(house, admin, "ann")
    made = await open_session(house, made_key.api_key)
    assert (await present(house, made.session)).outcome == ALLOW  # remembered now
    token = await house.token(admin)
    kinds = {
        "user": pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann"),
        "brand": pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_BRAND, id="shop"),
        "organisation": pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_ORGANISATION),
        "session": pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_SESSION, id=made.session_id),
    }
    if what in kinds:
        await house.call("RevokeSubject", token, kinds[what])
    elif what == "key":
        await house.call("RevokeApiKey", token, pb.RevokeApiKeyRequest(key_id=made_key.key.key_id))
    else:
        rotation = pb.RotateApiKeyRequest(key_id=made_key.key.key_id)
        rotation.grace.FromSeconds(0)
        await house.call("RotateApiKey", token, rotation)
    assert await said(house, made.session) == REFUSED
    assert (await rotate(house, made.session)).outcome == DENY
    if what in {"session", "key", "key rotated without grace"}:  # the caller still stands
        assert await shown(house, await house.token(admin)) == []


async def test_a_key_that_ends_takes_its_sessions_along(sharp: House) -> None:
    _, admin = await sharp.organisation()
    made_key = await new_key(sharp, admin, "ann", seconds=86_400)
    made = await open_session(sharp, made_key.api_key, seconds=600)
    with psycopg.connect(sharp.stores.admin_dsn, autocommit=True) as connection:
        change = "UPDATE auth.api_keys SET expires_at = clock_timestamp() WHERE key_id = %s"
        connection.execute(change, [made_key.key.key_id])
    assert await said(sharp, made.session) == REFUSED
    assert await shown(sharp, await sharp.token(admin)) == []


async def test_where_the_key_may_not_be_used_the_session_may_not_either(house: House) -> None:
    _, admin = await house.organisation()
    request = pb.CreateApiKeyRequest(subject="ann", brand="shop", scopes=["chat"], allowed_addresses=["192.0.2.0/24"])
    key = (await house.call("CreateApiKey", await house.token(admin), request)).api_key
    allowed = await house.authenticate(key, client_address="192.0.2.7")
    made = await house.call("CreateSession", allowed.txn_token, pb.CreateSessionRequest())
    assert (await said(house, made.session, client_address="192.0.2.8"))[0] == ALLOW
    for elsewhere in ("198.51.100.1", ""):
        assert await said(house, made.session, client_address=elsewhere) == REFUSED
    assert (await rotate(house, made.session)).outcome == DENY


async def test_a_token_that_was_revoked_meanwhile_opens_none(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    revoked = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann")
    await house.call("RevokeSubject", token, revoked)
    answer = await status_of(house.call("CreateSession", token, pb.CreateSessionRequest()))
    assert answer[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_losing_all_of_redis_resurrects_no_session(house: House) -> None:
    name, key = await house.organisation()
    ended, rotated = await open_session(house, key), await open_session(house, key)
    await revoke(house, await house.token(key), ended.session_id)
    successor = await rotate(house, rotated.session)
    await house.redis.client.delete(f"hk:auth:{{{name}}}:epochs")
    for text in (ended.session, rotated.session):
        assert await said(house, text) == REFUSED
    assert (await present(house, successor.session)).outcome == ALLOW


async def test_an_organisation_that_is_suspended_says_so(sharp: House) -> None:
    name, key = await sharp.organisation()
    made = await open_session(sharp, key)
    await sharp.tenancy(OPERATOR).UpdateOrganisation(
        tenancy_pb.UpdateOrganisationRequest(organisation=name, status=tenancy_pb.ORGANISATION_STATUS_SUSPENDED)
    )
    assert await said(sharp, made.session) == (DENY, decision_pb2.REASON_ORGANISATION_SUSPENDED)
    assert (await rotate(sharp, made.session)).reason == decision_pb2.REASON_ORGANISATION_SUSPENDED
