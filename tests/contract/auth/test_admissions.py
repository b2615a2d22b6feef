"""Admissions on a real Redis."""

from __future__ import annotations

import asyncio

import grpc
import jwt
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth.adapters.admission_store import RedisAdmissionStore
from services.auth.policy import admissions
from services.kit.keys import VersionedSecret
from tests.contract.auth.house import ALLOW, DENY, SHOP, TOKEN, House


async def handle_of(house: House, seconds: int = 60) -> tuple[str, str]:
    _, key = await house.organisation()
    token = await house.token(key)
    return token, await house.admission(token, seconds)


async def test_going_on_keeps_transaction_conversation_and_reservation(house: House) -> None:
    token, handle = await handle_of(house)
    first = jwt.decode(token, options={"verify_signature": False})
    for _ in range(2):
        answer = await house.go_on(handle)
        assert answer.outcome == ALLOW
        assert (answer.txn, answer.conversation, answer.reservation) == (first["txn"], "c-1", "r-1")
        again = jwt.decode(answer.txn_token, options={"verify_signature": False})
        assert {name for name in first if first[name] != again[name]} <= {"iat", "exp", "jti", "org_mac"}
        assert again["jti"] != first["jti"]


@pytest.mark.parametrize("who", ["backend/other", "backend/shop/x", "backend", "gateway"])
async def test_another_workload_cannot_use_it(house: House, who: str) -> None:
    _, handle = await handle_of(house)
    answer = await house.go_on(handle, who)
    assert answer == pb.ContinueResponse(outcome=DENY, reason=decision_pb2.REASON_ADMISSION_NOT_ACCEPTED)


async def test_unknown_and_ended_look_alike(house: House) -> None:
    _, handle = await handle_of(house, seconds=1)
    await asyncio.sleep(1.1)
    answers = [await house.go_on(text) for text in (handle, "adm_" + "A" * 43)]
    expected = pb.ContinueResponse(outcome=DENY, reason=decision_pb2.REASON_ADMISSION_NOT_ACCEPTED)
    assert answers == [expected, expected]


async def test_redis_holds_neither_handle_nor_readable_record(house: House) -> None:
    _, handle = await handle_of(house)
    slot = f"hk:auth:adm:{admissions.digest(handle)}"
    value = await house.redis.client.get(slot)
    assert isinstance(value, bytes)
    assert b"ann" not in value
    assert 0 < await house.redis.client.pttl(slot) <= 60_000


async def test_a_record_that_was_changed_moved_or_made_up_does_not_open(house: House) -> None:
    _, handle = await handle_of(house)
    _, other = await handle_of(house)
    slot, elsewhere = (f"hk:auth:adm:{admissions.digest(text)}" for text in (handle, other))
    value = await house.redis.client.get(slot)
    assert isinstance(value, bytes)
    for forged in (value[:-1] + bytes([value[-1] ^ 1]), b"a9" + value[2:], b"{}", b"", value[:10]):
        await house.redis.client.set(slot, forged)
        assert (await house.go_on(handle)).outcome == DENY
    await house.redis.client.set(elsewhere, value)
    assert (await house.go_on(other)).outcome == DENY


async def test_a_record_of_another_key_does_not_open(house: House) -> None:
    _, handle = await handle_of(house)
    house.keys.kept["admission"] = [VersionedSecret("a1", b"\0" * 32)]
    stranger = RedisAdmissionStore(house.redis, house.keys)
    assert await stranger.get(admissions.digest(handle)) is None


@pytest.mark.parametrize("workload", [SHOP, "tenancy", "operator", "auth"])
async def test_only_the_gateway_opens_and_continues(house: House, workload: str) -> None:
    token, handle = await handle_of(house)
    opening = pb.OpenAdmissionRequest(conversation="c-1", holder=SHOP)
    opening.ttl.FromSeconds(60)
    going_on = pb.ContinueRequest(admission=handle, on_behalf_of=SHOP)
    for call in (
        house.auth(workload).OpenAdmission(opening, metadata=((TOKEN, token),)),
        house.auth(workload).Continue(going_on),
    ):
        with pytest.raises(aio.AioRpcError) as error:
            await call
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_nothing_is_opened_without_a_token(house: House) -> None:
    opening = pb.OpenAdmissionRequest(conversation="c-1", holder=SHOP)
    opening.ttl.FromSeconds(60)
    with pytest.raises(aio.AioRpcError) as error:
        await house.auth().OpenAdmission(opening)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
