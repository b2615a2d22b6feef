"""A context token as a credential: auth redeems it, and lets nobody in whom something has ended since."""

from __future__ import annotations

import asyncio
import time

import grpc
import jwt
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.common.v1 import decision_pb2
from hauberk.context_token.v1 import context_token_service_pb2 as pb

from tests.contract.auth.house import ALLOW, DENY, TOKEN
from tests.contract.context_token.house import BODY, KIND, SOURCE, TARGET, THIRD, World

REFUSED = decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED


async def test_it_is_a_credential_of_its_target_brand(world: World) -> None:
    token, _ = await world.fresh()
    for brand in (TARGET, ""):
        answer = await world.authenticate(token, brand=brand)
        assert (answer.outcome, answer.context) == (ALLOW, BODY)
        assert (answer.principal.subject, answer.principal.brand) == ("ann", TARGET)
    claims = jwt.decode(answer.txn_token, options={"verify_signature": False})
    issued = jwt.decode(token, options={"verify_signature": False})
    assert claims["cid"] == "ctx_" + issued["jti"]
    assert claims["req_wl"] == "backend/billing"
    assert "keys.manage" not in claims["scope"].split()


@pytest.mark.parametrize("brand", [SOURCE, THIRD, "elsewhere"])
async def test_at_another_brand_it_is_refused_like_any_bad_credential(world: World, brand: str) -> None:
    token, _ = await world.fresh()
    answer = await world.authenticate(token, brand=brand)
    assert (answer.outcome, answer.reason, answer.context) == (DENY, REFUSED, b"")


async def test_every_bad_context_token_gets_the_same_answer(world: World) -> None:
    token, mine = await world.fresh()
    used, _ = await world.fresh(single_use=True)
    expired, _ = await world.fresh(seconds=1)
    revoked, owner = await world.fresh()
    await world.stub().Revoke(pb.RevokeRequest(context_token=revoked), metadata=((TOKEN, owner),))
    await world.redeem(used, "backend/first")
    ends = jwt.decode(expired, options={"verify_signature": False})["exp"]
    await asyncio.sleep(max(0.0, ends - time.time()) + 0.05)
    bad = ["a.b.c", token + "==", token[:-10] + "A" * 10, token.replace(".", "..", 1), mine, used, expired, revoked]
    answers = [await world.authenticate(text) for text in bad] + [await world.authenticate(token, brand=THIRD)]
    for answer in answers:
        answer.txn = ""
    assert all(answer == auth_pb.AuthenticateResponse(outcome=DENY, reason=REFUSED) for answer in answers)


async def test_what_it_gives_cannot_be_handed_on(world: World) -> None:
    token, _ = await world.fresh()
    arrived = await world.authenticate(token, on_behalf_of="backend/shop")
    refused = await world.ask(arrived.txn_token, THIRD)
    assert (refused.outcome, refused.reason) == (DENY, decision_pb2.REASON_NOT_PERMITTED)


async def test_single_use_goes_to_one_workload(world: World) -> None:
    token, _ = await world.fresh(single_use=True)
    workloads = [f"backend/b{n % 4}" for n in range(40)]
    answers = await asyncio.gather(*(world.authenticate(token, on_behalf_of=name) for name in workloads))
    accepted = {name for name, answer in zip(workloads, answers, strict=True) if answer.outcome == ALLOW}
    assert len(accepted) == 1
    assert sum(answer.outcome == ALLOW for answer in answers) == 10
    assert {answer.reason for answer in answers if answer.outcome != ALLOW} == {REFUSED}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (auth_pb.SUBJECT_KIND_USER, "ann"),
        (auth_pb.SUBJECT_KIND_BRAND, SOURCE),
        (auth_pb.SUBJECT_KIND_BRAND, TARGET),
        (auth_pb.SUBJECT_KIND_ORGANISATION, ""),
    ],
)
async def test_whatever_is_revoked_ends_it(world: World, kind: auth_pb.SubjectKind.ValueType, name: str) -> None:
    token, mine = await world.fresh()
    assert (await world.authenticate(token)).outcome == ALLOW
    await world.house.call("RevokeSubject", mine, auth_pb.RevokeSubjectRequest(kind=kind, id=name))
    answer = await world.authenticate(token)
    assert (answer.outcome, answer.reason) == (DENY, REFUSED)


async def test_revoking_the_key_ends_what_it_issued(world: World) -> None:
    _, owner = await world.organisation()
    key = await world.member(owner, "bob", SOURCE, TARGET)
    token = await world.issue(await world.house.token(key))
    assert (await world.authenticate(token)).outcome == ALLOW
    key_id = (await world.redeem(token)).key_id
    administrator = await world.house.token(owner)
    await world.house.call("RevokeApiKey", administrator, auth_pb.RevokeApiKeyRequest(key_id=key_id))
    assert (await world.authenticate(token)).reason == REFUSED


async def test_neither_kind_of_token_is_ever_the_other(world: World) -> None:
    token, mine = await world.fresh()
    assert (await world.authenticate(mine)).reason == REFUSED
    as_jwt = await world.house.authenticate("", credential=auth_pb.Credential(jwt=token))
    assert as_jwt.reason == REFUSED
    with pytest.raises(aio.AioRpcError) as error:
        await world.house.call("ListApiKeys", token, auth_pb.ListApiKeysRequest())
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (await world.authenticate(token)).outcome == ALLOW


async def test_without_the_peer_only_this_kind_waits(world: World) -> None:
    from tests.contract.auth.house import opened as auth_opened

    async with auth_opened(world.house.stores) as alone:  # ready, though the peer was never there
        _, key = await alone.organisation()
        assert (await alone.authenticate(key)).outcome == ALLOW
        other = World(alone)
        token, _ = await world.fresh()
        with pytest.raises(aio.AioRpcError) as error:
            await other.authenticate(token)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        # The same keys of transaction tokens are not shared: only the way to the peer is what is tried here.
        alone.servers[KIND] = world.house.servers[KIND]
        assert (await other.authenticate(token)).outcome == ALLOW


async def test_a_backend_cannot_name_another_consumer(world: World) -> None:
    token, _ = await world.fresh(single_use=True)
    credential = auth_pb.Credential(context_token=token)
    first = await world.house.authenticate("", "backend/billing", credential=credential)
    assert first.outcome == ALLOW
    pretended = await world.house.authenticate("", "backend/x", credential=credential, on_behalf_of="backend/billing")
    assert pretended.reason == REFUSED


async def test_the_metadata_of_a_caller_changes_nothing(world: World) -> None:
    token, _ = await world.fresh()
    _, key = await world.organisation()
    other = await world.house.token(key)
    request = auth_pb.AuthenticateRequest(credential=auth_pb.Credential(context_token=token))
    answer = await world.house.auth().Authenticate(request, metadata=((TOKEN, other),))
    assert answer.principal.organisation == jwt.decode(token, options={"verify_signature": False})["tenant"]
