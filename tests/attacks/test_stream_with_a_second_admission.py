"""A stream begins with one's own admission and goes on with somebody else's: only the first ever counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from tests.support.backend import DEADLINE, Backend, fresh

SSN = "457-55-5462"


async def send(backend: Backend, *messages: pb.CompleteStreamRequest) -> str:
    async def requests() -> AsyncIterator[pb.CompleteStreamRequest]:
        for message in messages:
            yield message

    shown = ""
    async for answer in backend.gateway.CompleteStream(requests(), timeout=DEADLINE):
        shown += answer.chunk
    return shown


async def test_the_others_value_does_not_come(backend: Backend) -> None:
    victim, attacker = await backend.member(fresh("victim")), await backend.member(fresh("attacker"))
    theirs = await backend.admitted(victim, f"My SSN is {SSN}")
    own = await backend.admitted(attacker, "Hello")
    for later in (
        pb.CompleteStreamRequest(admission=theirs, chunk="It is <US_SSN>."),
        pb.CompleteStreamRequest(admission=theirs),
    ):
        try:
            shown = await send(
                backend,
                pb.CompleteStreamRequest(admission=own),
                later,
                pb.CompleteStreamRequest(chunk=" And <US_SSN>."),
            )
        except aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            continue
        assert SSN not in shown


async def test_none_at_all_is_no_stream(backend: Backend) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await send(backend, pb.CompleteStreamRequest(chunk="<US_SSN>"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
