"""Limits with a ledger: a store that has lost budgets gets them back before it answers for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from services.kit.errors import Unavailable
from services.kit.postgres import Proven
from services.ratelimit.flows.ledger import LedgerWriter, Seeder
from services.ratelimit.policy import Limit, Mode
from services.ratelimit.ports import Addition, Answer, Ask, LimitStore, Reservation, Settled, UnseededError, Use

T = TypeVar("T")


class LedgerLimits:
    """Implements `LimitStore`. `proof` is the proof of whoever is calling: the ledger is read with it."""

    def __init__(self, inner: LimitStore, seeder: Seeder, writer: LedgerWriter, proof: Callable[[], Proven]) -> None:
        self._inner = inner
        self._seeder = seeder
        self._writer = writer
        self._proof = proof

    async def decide(self, ask: Ask) -> Answer:
        """See the port."""
        answer = await self._whole(ask.partition, lambda: self._inner.decide(ask))
        if ask.mode is not Mode.PEEK and (ask.mode is Mode.RESERVE or ask.costs.tokens or ask.costs.micro_usd):
            self._writer.touched(ask.partition)
        return answer

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        """See the port."""
        settled = await self._whole(reservation.organisation, lambda: self._inner.commit(reservation, use))
        self._writer.touched(reservation.organisation)
        return settled

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """See the port."""
        settled = await self._whole(
            reservation.organisation, lambda: self._inner.release(reservation, keep_requests=keep_requests)
        )
        self._writer.touched(reservation.organisation)
        return settled

    async def extend(self, reservation: Reservation, more: Addition, limits: Sequence[Limit]) -> Answer | None:
        """See the port."""
        answer = await self._whole(reservation.organisation, lambda: self._inner.extend(reservation, more, limits))
        self._writer.touched(reservation.organisation)
        return answer

    async def _whole(self, organisation: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except UnseededError:
            await self._seeder.seed(self._proof(), organisation)
        try:
            return await ask()
        except UnseededError:
            raise Unavailable("redis") from None
