"""Runs the chain over one request: concurrent where prerequisites allow, stopped by the first refusal.

No gRPC here. A stage is a coroutine over the request's `Work`; it returns a result or raises an error of the kit, and
what a failure means is the stage's declared policy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hauberk.common.v1 import decision_pb2 as decision

from gateway.stages import OnFailure, Stage, check_chain
from services.kit.errors import DeadlineExceeded, InvalidArgument, KitError

W = TypeVar("W")

ALLOW = decision.OUTCOME_ALLOW
DENY = decision.OUTCOME_DENY


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage decided; the default is a refusal. `retry_after` in seconds."""

    outcome: decision.Outcome.ValueType = DENY
    reason: decision.Reason.ValueType = decision.REASON_UNSPECIFIED
    retry_after: float = 0.0
    degraded: bool = False
    observed: bool = False

    @property
    def allowed(self) -> bool:
        """True only for an explicit ALLOW."""
        return self.outcome == ALLOW


@dataclass(frozen=True, slots=True)
class Ran:
    """A stage with its result and its wall time in seconds."""

    stage: str
    result: Result
    seconds: float


class Pipeline(Generic[W]):
    """A checked chain with its implementations."""

    def __init__(self, stages: Sequence[Stage], runners: Mapping[str, Callable[[W], Awaitable[Result]]]) -> None:
        check_chain(stages, runners)
        self.stages = tuple(stages)
        self._runners = dict(runners)

    async def run(self, work: W, budget: float) -> list[Ran]:
        """What ran, in the chain's order; `budget` is the time for all of it, in seconds.

        Ends with the first refusal: what then still runs is cancelled and awaited. A wrong field that only a service
        can see (InvalidArgument) is raised, as it is the caller's to correct.
        """
        ran: dict[str, Ran] = {}
        ends = asyncio.get_running_loop().time() + budget
        if len(self.stages) == 1:  # nothing to run beside it: no task either
            return [await self._one(self.stages[0], work, budget, ends)]
        running: dict[asyncio.Task[Ran], Stage] = {}
        try:
            while len(ran) < len(self.stages):
                for stage in self._ready(ran, running.values()):
                    running[asyncio.create_task(self._one(stage, work, budget, ends))] = stage
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    ran[running.pop(task).name] = task.result()
                if any(not one.result.allowed for one in ran.values()):
                    break
        finally:
            await _cancel(running)
        return [ran[stage.name] for stage in self.stages if stage.name in ran]

    def _ready(self, ran: Mapping[str, Ran], running: Iterable[Stage]) -> list[Stage]:
        busy = {stage.name for stage in running}
        return [s for s in self.stages if s.name not in ran and s.name not in busy and set(s.needs) <= ran.keys()]

    async def _one(self, stage: Stage, work: W, budget: float, ends: float) -> Ran:
        started = time.perf_counter()
        try:
            now = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(min(now + budget * stage.share, ends)):
                result = await self._runners[stage.name](work)
        except InvalidArgument:
            raise
        except (KitError, TimeoutError) as error:
            result = failure(stage, error)
        return Ran(stage.name, result, time.perf_counter() - started)


def failure(stage: Stage, error: Exception) -> Result:
    """What a stage's failure to decide means, by its declared policy."""
    if stage.on_failure is OnFailure.OPEN:
        return Result(ALLOW, decision.REASON_STAGE_UNAVAILABLE, degraded=True)
    if isinstance(error, TimeoutError | DeadlineExceeded):
        return Result(DENY, decision.REASON_DEADLINE_SPENT, degraded=True)
    retry_after = getattr(error, "retry_after", None) or 0.0
    return Result(DENY, decision.REASON_STAGE_UNAVAILABLE, retry_after, degraded=True)


async def _cancel(running: Mapping[asyncio.Task[Ran], Stage]) -> None:
    for task in running:
        task.cancel()
    if running:
        await asyncio.gather(*running, return_exceptions=True)
