"""A channel that follows its certificate files: gRPC reads them once, so a changed set needs a new channel.

New calls go to the new one, calls under way end on the old one. Stubs keep the methods of this channel, so they need
not be made again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from grpc import aio

from services.kit.logs import logger
from services.kit.tls import Fresh, TlsFiles

LOOK_SECONDS = 1.0
Dial = Callable[[tuple[bytes, bytes, bytes]], aio.Channel]


class RenewingChannel(aio.Channel):
    """Hands each call to the channel of the newest certificates. Raises SettingsError when made without usable ones."""

    def __init__(self, files: TlsFiles, dial: Dial, tick: Callable[[], float] = time.monotonic) -> None:
        self._fresh = Fresh(files)
        self._dial = dial
        self._tick = tick
        self._look_at = tick() + LOOK_SECONDS
        self._channel = dial(self._fresh.current)
        # Calls under way by channel. (A channel that closes with a grace cannot be closed at once any more.)
        self._under_way: dict[aio.Channel, int] = {self._channel: 0}
        self._closing: set[asyncio.Future[None]] = set()
        self._closed = False
        self.generation = 0

    def current(self) -> aio.Channel:
        """The channel for a call that begins now."""
        if self._tick() >= self._look_at and not self._closed:
            self._look_at = self._tick() + LOOK_SECONDS
            if self._fresh.renew():
                self._replace()
        return self._channel

    def began(self, channel: aio.Channel, call: Any) -> None:
        """Counts a call until it ends, however it does."""
        self._under_way[channel] = self._under_way.get(channel, 0) + 1
        call.add_done_callback(lambda _: self._ended(channel))

    def _ended(self, channel: aio.Channel) -> None:
        if channel in self._under_way:
            self._under_way[channel] -= 1
            self._let_go(channel)

    def _let_go(self, channel: aio.Channel) -> None:
        """An older channel closes with its last call."""
        if channel is self._channel or self._under_way[channel]:
            return
        del self._under_way[channel]
        closing = asyncio.ensure_future(channel.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _replace(self) -> None:
        before, self._channel = self._channel, self._dial(self._fresh.current)
        self._under_way[self._channel] = 0
        self.generation += 1
        self._let_go(before)
        logger().warning("tls.channel_renewed", generation=self.generation)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As `grpc.aio.Channel`."""
        return _Method(self, lambda channel: channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As `grpc.aio.Channel`."""
        return _Method(self, lambda channel: channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As `grpc.aio.Channel`."""
        return _Method(self, lambda channel: channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As `grpc.aio.Channel`."""
        return _Method(self, lambda channel: channel.stream_stream(*args, **kwargs))

    async def close(self, grace: float | None = None) -> None:
        """Closes the current channel, and the older ones with it."""
        self._closed = True
        channels, self._under_way = list(self._under_way), {}
        await asyncio.gather(*(channel.close(grace) for channel in channels), *self._closing)

    def get_state(self, try_to_connect: bool = False) -> Any:
        """Of the current channel."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: Any) -> None:
        """Of the current channel."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Of the current channel."""
        await self.current().channel_ready()

    async def __aenter__(self) -> RenewingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Method:
    """One method of whatever channel is current; what a stub holds on to."""

    def __init__(self, owner: RenewingChannel, make: Callable[[aio.Channel], Any]) -> None:
        self._owner = owner
        self._make = make
        self._channel: aio.Channel | None = None
        self._call: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        channel = self._owner.current()
        if channel is not self._channel:
            self._call, self._channel = self._make(channel), channel
        call = self._call(*args, **kwargs)
        self._owner.began(channel, call)
        return call
