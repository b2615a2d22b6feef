"""Where a process goes on in the feed, and what it does when auth says no, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from services.kit import revocation_feed
from services.kit.caller import Caller
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.inprocess import rpc_error
from services.kit.revocation_feed import FeedClient
from tests.support.waiting import eventually

ADA = Caller("acme", "ada", "acme-chat", "txn", "backend/shop", "mac", 0)
Answers = list[pb.WatchRevocationsResponse]


class Auth:
    """A channel to an auth that says what it is told to, then ends the stream."""

    def __init__(self) -> None:
        self.streams: list[Answers | Exception] = []
        self.asked: list[pb.WatchRevocationsRequest] = []
        self.verdict: Any = pb.CheckEpochsResponse(outcome=common.OUTCOME_ALLOW)

    def unary_stream(self, *_: Any, **__: Any) -> Callable[[Any], Any]:
        def call(request: pb.WatchRevocationsRequest) -> Any:
            self.asked.append(request)
            return Stream(self.streams.pop(0) if self.streams else None)

        return call

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Callable[..., Any]:
        async def call(request: Any, **_: Any) -> Any:
            if isinstance(self.verdict, Exception):
                raise self.verdict
            return self.verdict if method.endswith("CheckEpochs") else pb.AckRevocationsResponse()

        return call


class Stream:
    def __init__(self, what: Answers | Exception | None) -> None:
        self.what = what

    async def __aiter__(self) -> AsyncIterator[pb.WatchRevocationsResponse]:
        if isinstance(self.what, Exception):
            raise self.what
        for answer in self.what or []:
            yield answer
        if self.what is None:  # says nothing more, and does not end
            await asyncio.Event().wait()

    def cancel(self) -> bool:
        return True


@asynccontextmanager
async def following(auth: Auth) -> AsyncIterator[FeedClient]:
    client = FeedClient(lambda: auth)
    running = [asyncio.ensure_future(work()) for work in client.beside]
    try:
        yield client
    finally:
        for task in running:
            task.cancel()


async def streams(auth: Auth, count: int) -> list[tuple[int, bool]]:
    async def enough() -> bool:
        return len(auth.asked) >= count

    assert await eventually(enough)
    return [(asked.after_sequence, asked.recent) for asked in auth.asked[:count]]


async def test_it_begins_with_the_last_minutes_and_goes_on_where_it_was() -> None:
    auth = Auth()
    auth.streams = [[pb.WatchRevocationsResponse(sequence=7)], [pb.WatchRevocationsResponse(sequence=9)]]
    async with following(auth):
        assert await streams(auth, 3) == [(0, True), (7, False), (9, False)]


async def test_what_rose_first_of_all_while_the_stream_was_cut_is_not_missed() -> None:
    """0 is "from now": a process that has heard of no revocation yet must not ask for that."""
    auth = Auth()
    auth.streams = [[pb.WatchRevocationsResponse(sequence=0)]]
    async with following(auth):
        assert await streams(auth, 2) == [(0, True), (0, True)]


async def test_after_a_long_silence_it_hears_the_last_minutes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_feed, "SHORT_GAP", 0.05)
    auth = Auth()
    auth.streams = [[pb.WatchRevocationsResponse(sequence=7)]]
    async with following(auth):
        assert await streams(auth, 2) == [(0, True), (0, True)]


@pytest.mark.parametrize(
    "trouble",
    [rpc_error(grpc.StatusCode.UNAVAILABLE, "x"), TypeError("x"), OSError("x")],
    ids=["away", "a defect", "the network"],
)
async def test_whatever_ends_a_stream_does_not_end_the_listening(trouble: Exception) -> None:
    auth = Auth()
    auth.streams = [trouble, [pb.WatchRevocationsResponse(sequence=3)]]
    async with following(auth) as client:
        await streams(auth, 3)
        assert client.guard.applied == 3


async def test_a_stream_that_says_nothing_is_given_up_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation_feed, "PATIENCE", 0.1)
    auth = Auth()
    async with following(auth) as client:
        await streams(auth, 3)
        assert not client.guard.following


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (pb.CheckEpochsResponse(outcome=common.OUTCOME_ALLOW), None),
        (pb.CheckEpochsResponse(outcome=common.OUTCOME_DENY), Unauthenticated),
        (pb.CheckEpochsResponse(), Unauthenticated),
        (pb.CheckEpochsResponse(outcome=common.OUTCOME_CHALLENGE), Unauthenticated),
        (rpc_error(grpc.StatusCode.UNAUTHENTICATED, "x"), Unauthenticated),
        (rpc_error(grpc.StatusCode.PERMISSION_DENIED, "x"), Unavailable),
        (rpc_error(grpc.StatusCode.UNAVAILABLE, "x"), Unavailable),
        (rpc_error(grpc.StatusCode.INTERNAL, "x"), Unavailable),
    ],
    ids=["allow", "deny", "nothing said", "neither", "refused", "not permitted", "away", "broken"],
)
async def test_asked_per_call_only_an_allow_is_one(verdict: Any, outcome: type[Exception] | None) -> None:
    auth = Auth()
    auth.verdict = verdict
    guard = FeedClient(lambda: auth).guard
    if outcome is None:
        await guard.require_standing(ADA, "token")
        return
    with pytest.raises(outcome):
        await guard.require_standing(ADA, "token")
