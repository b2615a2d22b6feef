"""A streamed answer on its way to the client: nothing of it leaves before it was looked at, and it ends in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.edge.lanes import Lane, WayBack
from gateway.edge.openai import actions, errors
from gateway.edge.openai.sse import Event, Events
from gateway.edge.openai.strict import Refused, write
from gateway.stream import StreamState

# Of all texts of one answer together; a model stops long before.
MAX_ANSWER = 8 << 20
_BROKEN = errors.error(502, "upstream_error", "The model's server broke off its answer.")

Emit = Callable[[bytes, bool], Awaitable[None]]
Authorise = Callable[[actions.Call], Awaitable[str | None]]
"""None when the call may be made, else words for its user."""


class Machine(Protocol):
    """The pure side of a streamed answer."""

    done: bool

    def feed(self, event: Event) -> list[actions.Action]:
        """What to do about an event."""
        ...

    def end(self) -> list[actions.Action]:
        """What to do when no more comes."""
        ...

    def said(self, lane: Hashable, text: str) -> actions.Show:
        """Words that may be shown."""
        ...

    def shown(self, lane: Hashable, text: str) -> list[actions.Show]:
        """What follows a text that was shown to its end."""
        ...

    def allowed(self, action: actions.Authorise) -> list[actions.Show]:
        """What tells the client of calls that may be made."""
        ...

    def showing(self, show: actions.Show) -> actions.Show:
        """An event as it goes to the client, right before it does."""
        ...

    def cut(self, words: str) -> list[actions.Action]:
        """An end, here and now."""
        ...


class StreamedAnswer:
    """One answer. `emit` sends bytes to the client, with True the last ones; `fail` ends it all with an error."""

    def __init__(
        self,
        way: WayBack,
        state: StreamState,
        machine: Machine,
        authorise: Authorise,
        emit: Emit,
        fail: Callable[[Exception], None],
    ) -> None:
        self._way = way
        self._state = state
        self._machine = machine
        self._authorise = authorise
        self._emit = emit
        self._fail = fail
        self._events = Events()
        self._lanes: dict[Hashable, Lane] = {}
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._size = 0
        self._ending = False
        self.settled = False

    async def feed(self, piece: bytes, *, end: bool) -> None:
        """Bytes of the model's server; raises what made it impossible to end in order."""
        try:
            for event in [] if self._ending else self._events.add(piece, end=end):
                await self._act(self._machine.feed(event))
            if end and not self._ending:
                await self._act(self._machine.end())
                await self._last(b"")
        except Refused:
            await self._break_off()

    async def leave(self) -> None:
        """The client is gone, or everything was said; nothing goes on running."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if not self.settled:
            self.settled = True
            await self._way.abandon(self._state)

    async def _act(self, todo: list[actions.Action]) -> None:
        for action in todo:
            if self._ending:
                return
            match action:
                case actions.Say():
                    self._say(action)
                case actions.Close():
                    await self._close(action)
                case actions.Authorise():
                    await self._authorised(action)
                case actions.Show():
                    await self._show(action)
                case actions.Used():
                    self._state.used = ratelimit.Cost(
                        input_tokens=action.input_tokens, output_tokens=action.output_tokens
                    )
                case actions.Failed():
                    await self._break_off()
                case actions.Done():
                    await self._last(bytes(Event(action.mark)) if action.mark else b"")

    def _say(self, action: actions.Say) -> None:
        self._size += len(action.text)
        if self._size > MAX_ANSWER:
            raise Refused("invalid_answer", "An answer is too long.")
        lane = self._lanes.get(action.lane)
        if lane is None:
            lane = self._lanes[action.lane] = self._way.lane(self._state)
            self._tasks[action.lane] = asyncio.create_task(self._carry(action.lane, lane))
        lane.say(action.text)

    async def _carry(self, name: Hashable, lane: Lane) -> None:
        async def show(text: str) -> None:
            if not self._ending:
                await self._show(self._machine.said(name, text))

        try:
            await self._way.carry(lane, show)
            if not lane.allowed and not self._ending:
                await self._cut("")
        except Exception as error:  # also while the model is silent: nobody may wait for its next word to learn of it
            self._fail(error)
            raise

    async def _close(self, action: actions.Close) -> None:
        for name in action.lanes:
            self._lanes[name].close()
        await asyncio.gather(*(self._tasks[name] for name in action.lanes))
        for name in action.lanes:
            for event in self._machine.shown(name, "".join(self._lanes[name].shown)):
                if not self._ending:
                    await self._show(event)

    async def _authorised(self, action: actions.Authorise) -> None:
        for call in action.calls:
            if not await self._way.covers(self._state, call.arguments):
                await self._cut("")
                return
            refusal = await self._authorise(call)
            if refusal is not None:
                await self._cut(refusal)
                return
        for event in self._machine.allowed(action):
            await self._show(event)

    async def _show(self, action: actions.Show) -> None:
        event = self._machine.showing(action)
        await self._emit(bytes(Event(write(event.event).decode(), event.named)), False)

    async def _cut(self, words: str) -> None:
        """Ends it in order; `words` stand where the decision has none of its own."""
        self._ending = True
        result = await self._finish()
        for action in self._machine.cut(result.safe_reply.text or words):
            if isinstance(action, actions.Show):
                await self._show(action)
            elif isinstance(action, actions.Done) and action.mark:
                await self._emit(bytes(Event(action.mark)), False)
        await self._emit(b"", True)

    async def _break_off(self) -> None:
        if not self._ending:
            self._ending = True
            await self._finish()
            await self._emit(bytes(Event(write(_BROKEN).decode(), "error")), True)

    async def _last(self, mark: bytes) -> None:
        self._ending = True
        await self._finish()
        await self._emit(mark, True)

    async def _finish(self) -> pb.CompleteResponse:
        self.settled = True
        return await self._way.finish(self._state, list(self._lanes.values()))
