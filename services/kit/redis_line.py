"""One connection to Redis that all callers of an event loop share: what is asked in one turn is written at once, and
answers are handed out in the order of the questions.

A pool gives each caller a connection of its own, which costs more time than a short script takes to run. Failure
semantics: an answer belongs to the question that stands first in the row, and to no other. A caller who was cancelled
keeps its place, so its answer is thrown away; a question that is not answered in time ends the connection and with it
everybody who still waits there. Nothing is sent again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

_NOTHING = object()


def _refusal(text: str) -> ResponseError:
    """What the server's error means here; its text stays behind, as it may name keys."""
    kind = {"NOSCRIPT": NoScriptError, "READONLY": ReadOnlyError}.get(text.partition(" ")[0], ResponseError)
    return kind("refused")


class Line(asyncio.Protocol):
    """A connection whose questions wait in a row; at most `most` at a time."""

    def __init__(self, seconds: float, most: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.usable = False
        self._seconds = seconds
        self._most = most
        self._row: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._space: deque[asyncio.Future[None]] = deque()
        self._reader = hiredis.Reader(replyError=_refusal, notEnoughData=_NOTHING)
        self._transport: Any = None
        self._writer: Any = None

    async def open(self, connection: Any) -> None:
        """Connects as the driver's connection does (TLS, password, database), then takes its socket over.

        Raises what that raises."""
        await connection.connect()
        # The driver's own reader costs a task switch and two timers for each answer. It keeps nothing that is ours:
        # the server has answered all that it was asked, and says nothing unasked.
        self._writer = connection._writer
        connection._writer = connection._reader = None
        self._transport = self._writer.transport
        self._transport.set_protocol(self)
        self.usable = not self._transport.is_closing()

    def ask(self, packed: bytes) -> asyncio.Future[Any]:
        """Sends one command; the answer comes by the future. Call only while `usable` and not `full`."""
        answer: asyncio.Future[Any] = self.loop.create_future()
        due = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(due, self._late)
        if not self._row:
            self._row.append((answer, due))
            self._transport.write(packed)
        else:
            # Somebody is being served: whatever else is asked in this turn of the loop may go along.
            self._row.append((answer, due))
            if not self._unsent:
                self.loop.call_soon(self._send)
            self._unsent.append(packed)
        return answer

    @property
    def full(self) -> bool:
        """Whether a new question has to wait for its place."""
        return len(self._row) >= self._most or bool(self._space)

    async def space(self) -> None:
        """Waits until there is a place, those who came first before. Raises TimeoutError, or what ended the line."""
        while len(self._row) >= self._most:
            turn: asyncio.Future[None] = self.loop.create_future()
            self._space.append(turn)
            try:
                async with asyncio.timeout(self._seconds):
                    await turn
            finally:
                if turn in self._space:
                    self._space.remove(turn)
                    self._admit()  # a place that was given and not taken is another's

    def data_received(self, data: bytes) -> None:
        """Hands out answers."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                answer, _ = self._row.popleft()
                if not answer.done():
                    if isinstance(reply, ResponseError):
                        answer.set_exception(reply)
                    else:
                        answer.set_result(reply)
                if isinstance(reply, ReadOnlyError):
                    self.end()  # it is another server's replica by now
                    return
        except (hiredis.HiredisError, IndexError):
            self.end()  # not what was asked for: nothing that comes after it can be trusted
            return
        if self._space:
            self._admit()

    def connection_lost(self, _error: Exception | None) -> None:
        """Everybody who still waits learns that nothing is known."""
        self._fail(RedisConnectionError)

    def eof_received(self) -> bool:
        """The server has closed; nothing more is expected."""
        return False

    def end(self, error: type[Exception] = RedisConnectionError) -> None:
        """Nothing is heard from the server any more; safe to repeat."""
        if self._transport is not None:
            self._transport.close()
        self._fail(error)

    def _send(self) -> None:
        if self.usable:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _late(self) -> None:
        self._timer = None
        if not self._row:
            return
        due = self._row[0][1]
        if due <= self.loop.time():
            self.end(TimeoutError)
        else:
            self._timer = self.loop.call_at(due, self._late)

    def _admit(self) -> None:
        free = max(self._most - len(self._row), 0)
        for turn in list(self._space)[:free]:
            if not turn.done():
                turn.set_result(None)

    def _fail(self, error: type[Exception]) -> None:
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [answer for answer, _ in self._row] + list(self._space)
        self._row.clear()
        self._space.clear()
        for one in waiting:
            if not one.done():
                one.set_exception(error())
