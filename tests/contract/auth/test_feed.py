"""The feed of revocations as its listeners see it, over auth with real stores."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.adapters.epoch_feed import PostgresFeedStore
from services.auth.policy.jwt_claims import token_id
from services.kit import epochs
from tests.contract.auth.house import OPERATOR, House
from tests.support.waiting import eventually

USER = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann")


async def news(stub: Any, **asked: Any) -> AsyncGenerator[pb.WatchRevocationsResponse, None]:
    async for answer in stub.WatchRevocations(pb.WatchRevocationsRequest(**asked), timeout=10):
        yield answer


async def until(watching: Any, organisation: str, name: str) -> int:
    """The epoch of the first entry of this name."""
    async with asyncio.timeout(5):
        async for answer in watching:
            for entry in answer.revocations:
                if (entry.organisation, entry.name) == (organisation, name):
                    return int(entry.epoch)
    raise AssertionError


async def head_of(house: House) -> int:
    return (await PostgresFeedStore(house.database).read(0, 1)).head


async def test_every_kind_of_revocation_comes_by(house: House) -> None:
    organisation, key = await house.organisation()
    async with aclosing(news(house.auth("redaction"))) as watching:
        await anext(watching)
        token = await house.token(key)
        made = await house.call("CreateApiKey", token, pb.CreateApiKeyRequest(subject="ann", scopes=["chat"]))
        await house.call("RevokeApiKey", token, pb.RevokeApiKeyRequest(key_id=made.key.key_id))
        assert await until(watching, organisation, f"k:{made.key.key_id}") == 1
        session = f"ses_{secrets.token_hex(8)}"
        for request, name in (
            (pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_SESSION, id=session), f"s:{session}"),
            (pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_BRAND, id="other"), "b:other"),
            (pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="bob"), "u:bob"),
            (pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_ORGANISATION), "o"),
        ):
            assert (await house.call("RevokeSubject", token, request)).epoch == 1
            assert await until(watching, organisation, name) == 1


async def test_a_single_token_is_named_by_a_digest_of_what_its_issuer_called_it(house: House) -> None:
    organisation, key = await house.organisation()
    request = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_TOKEN, issuer="https://idp.example", token_id="a/b?c")
    async with aclosing(news(house.auth("audit"))) as watching:
        await anext(watching)
        await house.call("RevokeSubject", await house.token(key), request)
        name = epochs.token(token_id("https://idp.example", "a/b?c"))
        assert await until(watching, organisation, name) == 1
    assert "idp" not in name


@pytest.mark.parametrize(
    "request_",
    [
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_TOKEN, issuer="https://idp.example"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_TOKEN, token_id="jti"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_TOKEN, issuer="i", token_id="j", id="ann"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann", token_id="j"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_SESSION, id="not-a-session"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_SESSION),
    ],
    ids=["no token id", "no issuer", "an id too", "a user with a token id", "no session", "nothing"],
)
async def test_a_subject_of_the_new_kinds_must_be_named_exactly(
    house: House, request_: pb.RevokeSubjectRequest
) -> None:
    _, key = await house.organisation()
    with pytest.raises(aio.AioRpcError) as error:
        await house.call("RevokeSubject", await house.token(key), request_)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_watcher_that_comes_back_misses_nothing(house: House) -> None:
    organisation, key = await house.organisation()
    before = await head_of(house)
    await house.call("RevokeSubject", await house.token(key), USER)
    async with aclosing(news(house.auth("redaction"), after_sequence=before)) as watching:
        first = await anext(watching)
        assert not first.reset
        assert (organisation, "u:ann") in [(e.organisation, e.name) for e in first.revocations]
    async with aclosing(news(house.auth("redaction"), after_sequence=first.sequence)) as watching:
        again = await anext(watching)
        assert (list(again.revocations), again.reset) == ([], False)
    async with aclosing(news(house.auth("redaction"), recent=True)) as watching:
        assert await until(watching, organisation, "u:ann") == 1


async def test_a_number_that_the_store_does_not_have_is_a_reset(house: House) -> None:
    async with aclosing(news(house.auth("redaction"), after_sequence=await head_of(house) + 1_000_000)) as watching:
        assert (await anext(watching)).reset


async def test_heartbeats_come_four_times_a_second(house: House) -> None:
    async with aclosing(news(house.auth("redaction"))) as watching:
        await anext(watching)
        started = time.monotonic()
        for _ in range(6):
            answer = await anext(watching)
        assert answer.sequence == await head_of(house)
        assert time.monotonic() - started < 6 * 0.25 + 0.5


async def test_the_operator_sees_who_is_behind(house: House) -> None:
    head = await head_of(house)
    for workload, sequence, following in (("redaction", head, True), ("audit", 1, True), ("tenancy", head, False)):
        request = pb.AckRevocationsRequest(process="p-1", sequence=sequence, following=following)
        await house.auth(workload).AckRevocations(request)
    found = await house.auth(OPERATOR).RevocationStatus(pb.RevocationStatusRequest())
    assert found.sequence >= head
    shown = [(p.process, p.following) for p in found.processes if p.process.endswith("/p-1")]
    assert shown == [("tenancy/p-1", False), ("audit/p-1", True), ("redaction/p-1", True)]
    (slow,) = [p for p in found.processes if p.process == "audit/p-1"]
    assert (slow.behind, slow.silent_for.seconds) == (found.sequence - 1, 0)


@pytest.mark.parametrize("workload", ["backend/shop", "operator", "auth"])
async def test_nobody_else_follows_or_speaks_for_others(house: House, workload: str) -> None:
    stub = house.auth(workload)
    for asked in (anext(aiter(news(stub))), stub.AckRevocations(pb.AckRevocationsRequest(process="p", sequence=1))):
        with pytest.raises(aio.AioRpcError) as error:
            await asked
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_auth_refuses_a_revoked_token_by_what_it_heard(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    await house.admission(token)
    await house.call("RevokeSubject", token, USER)

    async def refused() -> bool:
        try:
            await house.admission(token)
        except aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNAUTHENTICATED
        return False

    assert await eventually(refused, 1.0)
    with pytest.raises(aio.AioRpcError):
        await house.call("CheckEpochs", token, pb.CheckEpochsRequest(), "redaction")
