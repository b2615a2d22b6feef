"""A process's end of the feed: listens to auth, says how far it is, and asks auth per call when it must."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc
from hauberk.common.v1 import decision_pb2 as common

from services.kit.caller import Caller
from services.kit.channels import Client, PeerError
from services.kit.errors import KitError
from services.kit.logs import logger
from services.kit.revocations import Guard, Rise

# A quarter second is the beat; a stream without a beat for so long is given up for a new one.
PATIENCE = 1.5
AGAIN = 0.1
# A gap this short is caught up with by its sequence; after a longer one the last minutes are heard again.
SHORT_GAP = 60.0
ASK_AT_MOST = 1.0
REPORT_CHANGE, REPORT_ANYWAY = 1.0, 10.0


class FeedClient:
    """Keeps one guard informed by auth, over the channel that `dial` gives."""

    def __init__(self, dial: Callable[[], Any]) -> None:
        self._dial = dial
        self._peer = Client("auth")
        self._process = secrets.token_hex(6)
        self.guard = Guard(self._still_stands)

    @property
    def beside(self) -> list[Callable[[], Awaitable[None]]]:
        """What runs beside the requests."""
        return [self.follow, self.report, self.guard.keep_watch]

    async def follow(self) -> None:
        """Runs for the life of the process."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on; the guard knows the silence
                logger().debug("revocations.feed_lost", error_class=type(error).__name__)
            await asyncio.sleep(AGAIN)

    async def report(self) -> None:
        """Runs for the life of the process: each change within a second, else every few seconds."""
        loop = asyncio.get_running_loop()
        said, due = (-1, False), 0.0
        while True:
            state = (self.guard.applied, self.guard.following)
            if state != said or loop.time() >= due:
                with contextlib.suppress(KitError):
                    await self._report(*state)
                    said, due = state, loop.time() + REPORT_ANYWAY
            await asyncio.sleep(REPORT_CHANGE)

    async def _listen(self) -> None:
        # Of a feed that was empty so far there is no place to go on from: 0 would mean "from now".
        recent = self.guard.silent_for > SHORT_GAP or self.guard.applied == 0
        request = pb.WatchRevocationsRequest(after_sequence=0 if recent else self.guard.applied, recent=recent)
        call = rpc.AuthServiceStub(self._dial()).WatchRevocations(request)
        try:
            async with aclosing(aiter(call)) as answers:
                while True:
                    async with asyncio.timeout(PATIENCE):
                        answer = await anext(answers, None)
                    if answer is None:  # the end, or what could not be decoded
                        return
                    rises = [Rise(r.sequence, r.organisation, r.name, r.epoch) for r in answer.revocations]
                    self.guard.hear(answer.sequence, rises, reset=answer.reset)
        finally:
            call.cancel()

    async def _report(self, sequence: int, following: bool) -> None:
        request = pb.AckRevocationsRequest(process=self._process, sequence=sequence, following=following)
        stub = rpc.AuthServiceStub(self._dial())
        await self._peer.call(stub.AckRevocations, request, at_most=ASK_AT_MOST, name="auth.AckRevocations")

    async def _still_stands(self, caller: Caller, token: str) -> bool:  # noqa: ARG002 - auth reads the token itself
        stub = rpc.AuthServiceStub(self._dial())
        try:
            answer = await self._peer.call(
                stub.CheckEpochs, pb.CheckEpochsRequest(), at_most=ASK_AT_MOST, token=token, name="auth.CheckEpochs"
            )
        except PeerError as error:
            if error.peer_code is grpc.StatusCode.UNAUTHENTICATED:
                return False
            raise
        return bool(answer.outcome == common.OUTCOME_ALLOW)
