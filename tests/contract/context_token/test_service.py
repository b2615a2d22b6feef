"""The service over its contract and a real Redis."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from typing import Any

import grpc
import jwt
import pytest
from grpc import aio
from hauberk.common.v1 import decision_pb2
from hauberk.context_token.v1 import context_token_service_pb2 as pb

from tests.contract.auth.house import ALLOW, DENY, SHOP, TOKEN
from tests.contract.context_token.house import (
    BODY,
    NOT_ACCEPTED,
    SOURCE,
    TARGET,
    THIRD,
    World,
    mounted,
)

pytestmark = pytest.mark.alone


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def keys_of(token: str) -> tuple[str, str]:
    """Body and state in Redis."""
    claims = claims_of(token)
    body = f"hk:ctx:{{{claims['tenant']}}}:{hashlib.sha256(claims['ctx'].encode()).hexdigest()}"
    return body, f"{body}:s"


async def test_from_brand_to_brand(world: World) -> None:
    token, _ = await world.fresh()
    answer = await world.redeem(token)
    assert (answer.outcome, answer.reason) == (ALLOW, decision_pb2.REASON_NONE)
    assert (answer.body, answer.subject) == (BODY, "ann")
    assert (answer.source_brand, answer.brand) == (SOURCE, TARGET)
    assert "keys.manage" not in answer.scopes
    assert "chat" in answer.scopes
    assert answer.key_id.startswith("key_")
    assert answer.issued_at.seconds == claims_of(token)["iat"]
    assert (await world.redeem(token, brand="")).body == BODY


@pytest.mark.parametrize("brand", [THIRD, SOURCE])
async def test_no_other_brand_redeems_it(world: World, brand: str) -> None:
    token, _ = await world.fresh()
    answer = await world.redeem(token, brand=brand)
    assert answer == pb.RedeemResponse(outcome=DENY, reason=NOT_ACCEPTED)


async def test_not_issued_for_a_brand_of_another_organisation(world: World) -> None:
    _, ours = await world.organisation()
    theirs = await world.house.token((await world.organisation())[1])
    mine = await world.house.token(await world.member(ours, "bob", SOURCE))
    unknown = await world.ask(mine, "no-such-brand")
    assert (unknown.outcome, unknown.reason) == (DENY, decision_pb2.REASON_NOT_PERMITTED)
    # A brand that exists elsewhere, one of our own that this user may not use, one's own: the same answer.
    for token, target in [(mine, TARGET), (mine, SOURCE), (theirs, SOURCE)]:
        assert await world.ask(token, target) == unknown


async def test_who_may_use_two_brands_hands_over_between_them_only(world: World) -> None:
    _, key = await world.organisation()
    token = await world.house.token(await world.member(key, "bob", SOURCE, TARGET))
    assert (await world.ask(token, TARGET)).outcome == ALLOW
    assert (await world.ask(token, THIRD)).outcome == DENY


async def test_1000_redeem_a_single_use_token_at_once(world: World) -> None:
    token, _ = await world.fresh(single_use=True)
    answers = await asyncio.gather(*(world.redeem(token, f"backend/b{n}") for n in range(1000)))
    assert Counter(answer.outcome for answer in answers) == {ALLOW: 1, DENY: 999}
    assert {answer.body for answer in answers} == {BODY, b""}
    winner = next(f"backend/b{n}" for n, answer in enumerate(answers) if answer.outcome == ALLOW)
    first = next(answer for answer in answers if answer.outcome == ALLOW)
    again = await asyncio.gather(*(world.redeem(token, winner) for _ in range(20)))
    assert all(answer == first for answer in again)


async def test_a_used_token_can_be_asked_for_again_for_a_while_only(world: World) -> None:
    async with mounted(world.house, context_token_retry_seconds=1) as hasty:
        token, _ = await hasty.fresh(single_use=True)
        assert (await hasty.redeem(token)).outcome == ALLOW
        await asyncio.sleep(1.1)
        assert (await hasty.redeem(token)).reason == NOT_ACCEPTED
        body, state = keys_of(token)
        assert await world.house.redis.client.exists(body) == 0  # what nobody may read any more is not kept
        assert await world.house.redis.client.exists(state) == 1


async def test_a_token_of_many_uses_serves_every_consumer(world: World) -> None:
    token, _ = await world.fresh()
    answers = await asyncio.gather(*(world.redeem(token, f"backend/b{n}") for n in range(20)))
    assert {answer.body for answer in answers} == {BODY}


async def test_it_expires_with_everything_in_redis(world: World) -> None:
    token, _ = await world.fresh(seconds=1)
    assert (await world.redeem(token)).outcome == ALLOW
    await asyncio.sleep(max(0.0, claims_of(token)["exp"] - time.time()) + 0.05)
    assert (await world.redeem(token)).reason == NOT_ACCEPTED
    await asyncio.sleep(0.2)
    assert await world.house.redis.client.exists(*keys_of(token)) == 0


async def test_revoked(world: World) -> None:
    token, mine = await world.fresh()
    other = await world.house.token((await world.organisation())[1])
    request = pb.RevokeRequest(context_token=token)
    with pytest.raises(aio.AioRpcError) as refused:
        await world.stub().Revoke(request, metadata=((TOKEN, other),))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert (await world.redeem(token)).outcome == ALLOW
    body, _ = keys_of(token)
    kept = await world.house.redis.client.get(body)
    for _ in range(2):
        await world.stub().Revoke(request, metadata=((TOKEN, mine),))
    assert (await world.redeem(token)).reason == NOT_ACCEPTED
    assert kept is not None
    await world.house.redis.client.set(body, kept)  # somebody brings the body back
    assert (await world.redeem(token)).reason == NOT_ACCEPTED


async def test_what_lies_in_redis_tells_nothing_and_proves_nothing(world: World) -> None:
    token, mine = await world.fresh()
    other = await world.issue(mine)
    (body, state), (elsewhere, _) = keys_of(token), keys_of(other)
    client = world.house.redis.client
    kept, foreign = await client.get(body), await client.get(elsewhere)
    assert isinstance(kept, bytes)
    assert isinstance(foreign, bytes)
    everything = b"".join([kept, body.encode(), *[x async for x in client.scan_iter(f"{body[:20]}*")]])
    for secret in (BODY, claims_of(token)["ctx"].encode(), claims_of(token)["jti"].encode()):
        assert secret not in everything
    for forged in (foreign, kept[:-1] + bytes([kept[-1] ^ 1]), kept[:20], b"", BODY):
        await client.set(body, forged, keepttl=True)
        assert (await world.redeem(token)).reason == NOT_ACCEPTED
    await client.set(body, kept, keepttl=True)
    assert (await world.redeem(token)).outcome == ALLOW
    await client.delete(state)
    assert (await world.redeem(token)).reason == NOT_ACCEPTED


async def test_a_user_has_only_so_many_live_tokens(world: World) -> None:
    async with mounted(world.house, context_token_live=3) as small:
        _, key = await small.organisation()
        token = await small.house.token(key)
        issued = [await small.issue(token, single_use=True, seconds=60) for _ in range(2)]
        await small.issue(token, seconds=1)
        refused = await small.ask(token)
        assert (refused.outcome, refused.reason) == (DENY, decision_pb2.REASON_RATE_LIMITED)
        assert (await small.redeem(issued[0])).outcome == ALLOW  # used up: it counts no more
        await small.issue(token)
        await small.stub().Revoke(pb.RevokeRequest(context_token=issued[1]), metadata=((TOKEN, token),))
        await small.issue(token)
        await asyncio.sleep(2)  # the one of a second has ended by itself
        await small.issue(token)
        assert (await small.ask(token)).outcome == DENY
        another = await small.house.token(await small.member(key, "bob", SOURCE, TARGET))
        assert (await small.ask(another)).outcome == ALLOW


async def test_without_redis_nothing_is_decided(world: World) -> None:
    token, mine = await world.fresh()
    async with mounted(world.house, redis_url="redis://127.0.0.1:1/0") as broken:
        revoke = pb.RevokeRequest(context_token=token)
        for call in (
            broken.ask(mine),
            broken.redeem(token),
            broken.stub().Revoke(revoke, metadata=((TOKEN, mine),)),
        ):
            with pytest.raises(aio.AioRpcError) as error:
                await call
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await broken.redeem("x" * 100)).reason == NOT_ACCEPTED  # no store is needed to refuse this


@pytest.mark.parametrize("workload", ["gateway", SHOP, "tenancy", "operator", "context-token"])
async def test_only_auth_redeems(world: World, workload: str) -> None:
    token, _ = await world.fresh()
    with pytest.raises(aio.AioRpcError) as error:
        await world.stub(workload).Redeem(pb.RedeemRequest(context_token=token, consumer=workload))
    assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_nothing_is_issued_without_a_transaction_token(world: World) -> None:
    context, _ = await world.fresh()
    request = pb.IssueRequest(target_brand=TARGET, body=BODY)
    for metadata in ((), ((TOKEN, context),)):  # a context token is none
        with pytest.raises(aio.AioRpcError) as error:
            await world.stub().Issue(request, metadata=metadata)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_keys_are_public_and_the_token_is_verifiable(world: World) -> None:
    token, _ = await world.fresh()
    answer = await world.stub("").GetJwks(pb.GetJwksRequest())
    (key,) = json.loads(answer.jwks)["keys"]
    tenant = claims_of(token)["tenant"]
    audience = f"https://{TARGET}.{tenant}.brands.hauberk.local"
    assert jwt.decode(token, jwt.PyJWK(key).key, ["RS256"], audience=audience)["su"] is False


async def test_a_body_of_32_kb_and_no_more(world: World) -> None:
    token, mine = await world.fresh(body=b"x" * 32_768)
    assert len((await world.redeem(token)).body) == 32_768
    with pytest.raises(aio.AioRpcError) as error:
        await world.ask(mine, body=b"x" * 32_769)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
