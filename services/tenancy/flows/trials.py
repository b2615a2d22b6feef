"""Policy versions on trial: evaluated after the answer, beside what is in force. They change no answer.

Bounded on purpose: a backlog that is full drops questions, which are then not counted; what is counted is a row per
kind of question. Counts reach the store every second, under the proof of the organisation's latest caller.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from services.kit.caller import Caller
from services.kit.errors import KitError
from services.tenancy.flows.policysets import PolicySets
from services.tenancy.policy import Circumstances, Decision, Resource, Standing, authorize_all
from services.tenancy.ports import Difference, PolicyStore

_BACKLOG = 1024
_EACH = 64  # of one organisation: a busy one does not use up the others' trials
_FLUSH_SECONDS = 1.0
_SLICE = 16
_ORGANISATIONS = 1024

Counts = dict[tuple[str, str], list[int]]


@dataclass(frozen=True, slots=True)
class _Asked:
    caller: Caller
    standing: Standing
    questions: Sequence[tuple[str, Resource | None]]
    answers: Sequence[Decision]
    given: Circumstances


class Trials:
    """Counts in the background; `close` ends it."""

    def __init__(self, sets: PolicySets, store: PolicyStore, flush_seconds: float = _FLUSH_SECONDS) -> None:
        self._sets = sets
        self._store = store
        self._flush_seconds = flush_seconds
        self._waiting: deque[_Asked] = deque()
        self._each: dict[str, int] = {}
        self._counts: dict[tuple[str, int], tuple[Caller, Counts]] = {}
        self._worker: asyncio.Task[None] | None = None

    def offer(
        self,
        caller: Caller,
        standing: Standing | None,
        questions: Sequence[tuple[str, Resource | None]],
        answers: Sequence[Decision],
        given: Circumstances,
    ) -> None:
        """Notes what was asked and answered, when the organisation tries a version. Never fails, never waits."""
        if standing is None or not standing.policies.candidate:
            return
        waiting = self._each.get(caller.organisation, 0)
        if len(self._waiting) >= _BACKLOG or waiting >= _EACH:
            return
        self._each[caller.organisation] = waiting + 1
        self._waiting.append(_Asked(caller, standing, questions, answers, given))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def flush(self, only: str = "") -> None:
        """Writes what was counted (of one organisation); what the store does not take now is kept for later."""
        for key in [key for key in self._counts if not only or key[0] == only]:
            caller, counts = self._counts.pop(key)
            try:
                await self._store.count(caller, key[1], [Difference(*kind, *found) for kind, found in counts.items()])
            except KitError:
                newer = self._counts.pop(key, (caller, {}))
                self._counts[key] = (newer[0], _sum(counts, newer[1]))

    async def close(self) -> None:
        """Stops; what was counted is written once more."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        await self.flush()

    async def _work(self) -> None:
        while self._waiting:
            while self._waiting:
                asked = self._waiting.popleft()
                self._release(asked.caller.organisation)
                with contextlib.suppress(KitError):  # a version that cannot be read is not counted
                    await self._try(asked)
                await asyncio.sleep(0)
            await asyncio.sleep(self._flush_seconds)
            await self.flush()

    def _release(self, organisation: str) -> None:
        left = self._each[organisation] - 1
        if left:
            self._each[organisation] = left
        else:
            del self._each[organisation]

    async def _try(self, asked: _Asked) -> None:
        number = asked.standing.policies.candidate
        engine = await self._sets.candidate(asked.caller, asked.standing)
        if not engine.version.endswith(f".{number}"):  # the version before it is still being replaced
            return
        key = (asked.caller.organisation, number)
        if key not in self._counts and len(self._counts) >= _ORGANISATIONS:
            return
        for start in range(0, len(asked.questions), _SLICE):
            part = asked.questions[start : start + _SLICE]
            would = authorize_all(engine, asked.standing, part, asked.given)
            counts = self._counts.get(key, (asked.caller, {}))[1]
            for (action, resource), was, now in zip(part, asked.answers[start:], would, strict=False):
                if resource is not None:
                    found = counts.setdefault((action, resource.type), [0, 0, 0])
                    found[0] += 1
                    found[1] += was.allowed and not now.allowed
                    found[2] += now.allowed and not was.allowed
            self._counts[key] = (asked.caller, counts)
            await asyncio.sleep(0)


def _sum(one: Counts, other: Counts) -> Counts:
    kinds = {*one, *other}
    nothing = [0, 0, 0]
    return {
        kind: [a + b for a, b in zip(one.get(kind, nothing), other.get(kind, nothing), strict=True)] for kind in kinds
    }
