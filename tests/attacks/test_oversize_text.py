"""More text than is looked at: refused as a whole, never cut and passed on."""

from __future__ import annotations

import grpc
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from embedded.stack import Stack
from tests.support.backend import Backend, fresh, status_of, user

MOST = 262_144


async def test_one_text_too_long(target: Stack, backend: Backend) -> None:
    call = backend.admit(await backend.member(), "x" * (MOST + 1))
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_too_many_messages(target: Stack, backend: Backend) -> None:
    call = backend.admit(await backend.member(), *["x"] * 129)
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_every_text_allowed_and_the_sum_is_not(target: Stack, backend: Backend) -> None:
    """The end of a long request is where personal data would slip through unseen."""
    texts = [user("word " * 50_000) for _ in range(4)] + [user("My SSN is 457-55-5462")]
    request = pb.AdmitRequest(credential=await backend.member(), conversation=fresh("talk"), messages=texts)
    try:
        answer = await backend.gateway.Admit(request, timeout=8)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return
    assert not answer.admission
    assert not answer.messages


async def test_a_message_larger_than_the_wire_takes(target: Stack, backend: Backend) -> None:
    texts = [user("x" * MOST) for _ in range(80)]
    request = pb.AdmitRequest(credential=await backend.member(), conversation=fresh("talk"), messages=texts)
    assert await status_of(backend.gateway.Admit(request, timeout=8)) in {
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INVALID_ARGUMENT,
    }


async def test_an_answer_too_long(backend: Backend) -> None:
    admission = await backend.admitted(await backend.member(fresh("user")))
    assert await status_of(backend.complete(admission, "x" * 1_048_577)) is grpc.StatusCode.INVALID_ARGUMENT
    stream = backend.stream(admission, ["x" * 65_537])
    assert await status_of(stream) is grpc.StatusCode.INVALID_ARGUMENT
