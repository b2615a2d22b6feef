"""Limits behind circuits: while a store is away, nobody waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from redis.crc import key_slot

from services.kit.errors import Unavailable
from services.ratelimit.policy import Limit
from services.ratelimit.policy.circuit import Circuit, CircuitRules
from services.ratelimit.ports import Addition, Answer, Ask, LimitStore, Reservation, Settled, UnseededError, Use

_SLOTS = 16_384
_CLUSTER_CIRCUITS = 16
T = TypeVar("T")
_log = logging.getLogger(__name__)


class CircuitLimits:
    """Implements `LimitStore`. One circuit for one server; for a cluster 16, each for neighbouring slots, so that the
    loss of one shard does not stop the others."""

    def __init__(
        self,
        inner: LimitStore,
        *,
        cluster: bool = False,
        rules: CircuitRules | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._now = monotonic
        self._circuits = [Circuit(rules or CircuitRules()) for _ in range(_CLUSTER_CIRCUITS if cluster else 1)]

    async def decide(self, ask: Ask) -> Answer:
        """See the port."""
        return await self._guarded(ask.partition, lambda: self._inner.decide(ask))

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        """See the port."""
        return await self._guarded(reservation.organisation, lambda: self._inner.commit(reservation, use))

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """See the port."""
        return await self._guarded(
            reservation.organisation, lambda: self._inner.release(reservation, keep_requests=keep_requests)
        )

    async def extend(self, reservation: Reservation, more: Addition, limits: Sequence[Limit]) -> Answer | None:
        """See the port."""
        return await self._guarded(reservation.organisation, lambda: self._inner.extend(reservation, more, limits))

    async def _guarded(self, partition: str, ask: Callable[[], Awaitable[T]]) -> T:
        circuit = self._circuits[0]
        if len(self._circuits) > 1:
            circuit = self._circuits[key_slot(partition.encode()) * len(self._circuits) // _SLOTS]
        if not circuit.admit(self._now()):
            raise Unavailable("redis")
        try:
            answer = await ask()
        except Unavailable as error:
            if error.dependency != "redis":  # it answered; what it waits for is something else
                self._closed(circuit)
            elif circuit.failed(self._now()):
                _log.warning("limits: the store does not answer; each limit decides by its failure policy")
            raise
        except UnseededError:
            self._closed(circuit)  # it did answer
            raise
        except BaseException:
            circuit.abandoned(self._now())
            raise
        self._closed(circuit)
        return answer

    def _closed(self, circuit: Circuit) -> None:
        if circuit.succeeded():
            _log.warning("limits: the store answers again")
