"""The way back of an answer that has several texts: each is inspected and restored by itself, as it comes; they share
one admission, one allowance and one settlement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from hauberk.gateway.v1 import gateway_service_pb2 as pb

from gateway.allowance import Allowance
from gateway.blocks import Blocks
from gateway.estimate import counted_output
from gateway.stream import CompleteStream, StreamState, result_of
from services.kit.caller import current_call

# The contract's bound on one piece of a stream; ours are cut to it.
PIECE = 16_384


@dataclass(slots=True)
class Lane:
    """One text on its way. `shown` is what was let through so far."""

    state: StreamState
    waiting: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    shown: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """More of it."""
        for start in range(0, len(text), PIECE):
            self.waiting.put_nowait(text[start : start + PIECE])

    def close(self) -> None:
        """That was all of it."""
        self.waiting.put_nowait(None)

    @property
    def allowed(self) -> bool:
        """True when it was let through to its end."""
        return self.state.made().allowed

    async def requests(self) -> AsyncIterator[pb.CompleteStreamRequest]:
        """The text in pieces."""
        while (text := await self.waiting.get()) is not None:
            yield pb.CompleteStreamRequest(chunk=text)


class WayBack(CompleteStream):
    """CompleteStream for any number of texts."""

    async def begin(self, admission: str, holder: str, locale: str, *, grows: bool) -> StreamState:
        """The admission again; whether it was accepted shows in what `made` says at the end. An answer that is there
        as a whole (`grows` is False) is not stopped any more, only settled."""
        state = StreamState(admission, holder, locale)
        await self._go_on(state)
        if not grows:
            state.allowance = Allowance()
        return state

    def lane(self, state: StreamState) -> Lane:
        """A text of this answer."""
        return Lane(replace(state, ran=dict(state.ran), blocks=Blocks(), prompt_seen=b""))

    async def carry(self, lane: Lane, show: Callable[[str], Awaitable[None]]) -> None:
        """Until it is closed or refused; what comes back is shown piece by piece."""

        async def shown(text: str) -> None:
            lane.shown.append(text)
            await show(text)

        if lane.state.continued.txn_token:
            await self._restored(lane.state, self._inspected(lane.state, lane.requests()), shown)

    async def covers(self, state: StreamState, text: str) -> bool:
        """Whether these words, which no lane carries, are paid for."""
        state.counted.output_tokens += counted_output(text)
        return await state.allowance.covers(self._services, state.continued, state.counted.output_tokens)

    async def finish(self, state: StreamState, lanes: list[Lane]) -> pb.CompleteResponse:
        """Puts the decision on record, and settles; what is said is what the first refused text says."""
        current_call().recorded = False
        try:
            lanes = lanes or [await self._empty(state)]
            state.ran = next((lane for lane in lanes if not lane.allowed), lanes[-1]).state.ran
            self._signals.decided(state.continued.txn_token, state.continued.txn, state.made().reason)
            await self._finaliser.record(state.subject(), state.made())
        finally:
            settled = await self._settle(state)
        return result_of(state, settled, self._replies)

    async def abandon(self, state: StreamState) -> None:
        """The client is gone: what was used is settled, and it is on record that nothing was decided."""
        self._finaliser.abandoned(state.subject())
        await self._settle(state)

    async def give_back(self, state: StreamState) -> None:
        """The model was not used: nothing is owed but the request."""
        if state.continued.reservation:
            await self._settling.release(state.continued.txn_token, state.continued.reservation)
        self._finaliser.abandoned(state.subject())

    async def _empty(self, state: StreamState) -> Lane:
        lane = self.lane(state)
        lane.close()

        async def nothing(_: str) -> None:
            return

        await self.carry(lane, nothing)
        return lane
