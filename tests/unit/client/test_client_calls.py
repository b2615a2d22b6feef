"""What is asked again, and what is not, against a server that fails as it is told to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from hauberk_client.calls import ATTEMPTS, Undecided, ask
from services.kit.boundary import status_of
from services.kit.errors import DeadlineExceeded, Exhausted, InvalidArgument, KitError, Unauthenticated, Unavailable

METHOD = "/shop.Shop/Ask"


class Moody:
    """Fails with the errors it was given, then answers."""

    def __init__(self) -> None:
        self.moods: list[KitError | bytes] = []
        self.asked = 0

    async def answer(self, request: bytes, context: Any) -> bytes:
        self.asked += 1
        mood = self.moods.pop(0) if self.moods else None
        if mood is None:
            return b"yes"
        code = mood.code if isinstance(mood, KitError) else grpc.StatusCode.UNAVAILABLE
        details = status_of(mood).SerializeToString() if isinstance(mood, KitError) else mood
        await context.abort(code, "no", trailing_metadata=(("grpc-status-details-bin", details),))
        return b""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def serving() -> AsyncIterator[tuple[Moody, Any]]:
    moody, server = Moody(), aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(moody.answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", {"Ask": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield moody, channel.unary_unary(METHOD)
    await server.stop(0)


@pytest.fixture
def moody(serving: tuple[Moody, Any]) -> Moody:
    serving[0].asked, serving[0].moods = 0, []
    return serving[0]


async def asked(serving: tuple[Moody, Any], *moods: KitError | bytes, timeout: float = 2.0) -> Undecided | bytes:
    serving[0].moods = list(moods)
    try:
        return bytes(await ask(serving[1], b"?", timeout=timeout, metadata={}))
    except Undecided as error:
        return error


SOON = Unavailable("redis", 0.01)
BARE = status_pb2.Status(code=14)
CUT = b"\x0a\xff\xff\xff\xff\x0f"


async def test_unavailable_with_a_time_is_asked_again(moody: Moody, serving: Any) -> None:
    assert await asked(serving, SOON, SOON) == b"yes"
    assert moody.asked == 3


@pytest.mark.parametrize(
    "error",
    [
        BARE.SerializeToString(),
        CUT,
        b"",
        Unavailable("redis", 60.0),
        Exhausted(retry_after=0.01),
        DeadlineExceeded(),
        Unauthenticated(),
        InvalidArgument.of("brand", "must be a brand"),
        KitError(grpc.StatusCode.INTERNAL, "INTERNAL", "x", retry_after=0.01),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_nothing_else_is(moody: Moody, serving: Any, error: KitError | bytes) -> None:
    answer = await asked(serving, error)
    assert isinstance(answer, Undecided)
    assert moody.asked == 1


async def test_it_gives_up_after_a_few_attempts(moody: Moody, serving: Any) -> None:
    answer = await asked(serving, *[SOON] * 10)
    assert isinstance(answer, Undecided)
    assert (answer.code, answer.reason, answer.retry_after) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", 0.01)
    assert moody.asked == ATTEMPTS


async def test_it_does_not_wait_past_its_deadline(moody: Moody, serving: Any) -> None:
    started = time.monotonic()
    answer = await asked(serving, Unavailable("redis", 0.3), timeout=0.2)
    assert isinstance(answer, Undecided)
    assert time.monotonic() - started < 0.2
    assert moody.asked == 1


async def test_the_wrong_field_is_named_and_nothing_of_the_request(moody: Moody, serving: Any) -> None:
    answer = await asked(serving, InvalidArgument.of("brand", "must be a brand"))
    assert isinstance(answer, Undecided)
    assert answer.fields == {"brand": "must be a brand"}
    assert str(answer) == "could not be decided: INVALID_ARGUMENT (INVALID_ARGUMENT)"


async def test_a_time_that_is_none_of_ours_is_no_reason_to_wait(moody: Moody, serving: Any) -> None:
    status = status_pb2.Status(code=14)
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=10**9))
    status.details.add().Pack(retry)
    answer = await asked(serving, status.SerializeToString())
    assert isinstance(answer, Undecided)
    assert moody.asked == 1
