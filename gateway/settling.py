"""Gives back or settles a reservation, in time of its own: whatever becomes of the caller, the hold does not hang."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.clients import Services
from gateway.estimate import settled_cost
from services.kit.beside import beside, to_its_end
from services.kit.caller import current
from services.kit.errors import DeadlineExceeded, KitError, Unavailable
from services.kit.logs import logger

T = TypeVar("T")
PAUSES = (0.3, 1.0, 3.0)
"""Seconds before each further attempt."""


class Held(Protocol):
    """An admission with the reservation that it holds, as far as both are known."""

    admission: str
    holder: str
    continued: auth.ContinueResponse


class Settling:
    """Release and Commit that a cancelled, gone or timed-out caller cannot stop.

    What fails is tried again, beside the caller, who is told at once that it is not settled yet; what fails for good is
    settled by the hold's own rule when it expires: rates are refunded, money is charged. Both calls are idempotent.
    """

    def __init__(self, services: Services, budget: float) -> None:
        self._services = services
        self._budget = budget

    async def release(self, token: str, reservation: str) -> None:
        """After a refusal: tokens and money go back, the request stays charged."""
        await self._own(lambda: self._services.release(token, reservation))

    async def commit(
        self, held: Held, used: ratelimit.Cost, counted: ratelimit.Cost, *, fresh: bool = True
    ) -> ratelimit.CommitResponse | None:
        """At the larger of what is reported and what was counted; None when it could not be settled now.

        Without `fresh` the admission is continued once more: its token may have expired, or it was never known.
        """
        if fresh and not held.continued.reservation:
            return ratelimit.CommitResponse()
        return await self._own(lambda: self._commit(held, used, counted, fresh=fresh))

    async def _commit(
        self, held: Held, used: ratelimit.Cost, counted: ratelimit.Cost, *, fresh: bool
    ) -> ratelimit.CommitResponse:
        if not fresh:
            again = await self._services.go_on(held.admission, held.holder)
            held.continued = again if again.txn_token else held.continued
        continued = held.continued
        if not continued.reservation:
            return ratelimit.CommitResponse()
        counted.input_tokens, counted.model = continued.input_tokens, continued.model
        return await self._services.commit(continued.txn_token, continued.reservation, settled_cost(used, counted))

    async def _own(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        # Outside of the call: its spent deadline would leave no time for this.
        context = contextvars.copy_context()
        context.run(current.set, None)
        return await to_its_end(self._settled(work, context), context)

    async def _settled(self, work: Callable[[], Coroutine[Any, Any, T]], context: contextvars.Context) -> T | None:
        try:
            return await self._bounded(work)
        except (KitError, TimeoutError) as error:
            _ = beside(self._again(work, error), context)
            return None

    async def _again(self, work: Callable[[], Coroutine[Any, Any, Any]], error: Exception) -> None:
        for pause in PAUSES:
            if not isinstance(error, Unavailable | DeadlineExceeded | TimeoutError):
                break
            await asyncio.sleep(pause)
            try:
                await self._bounded(work)
            except (KitError, TimeoutError) as failed:
                error = failed
            else:
                return
        logger().warning("gateway.settling_failed", error_class=type(error).__name__)

    async def _bounded(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with asyncio.timeout(self._budget):
            return await work()
