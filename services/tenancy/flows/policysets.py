"""The engine of each organisation: the defaults, and the version of its own policies that is in force.

A version never changes, so an engine is known by organisation and number; which number is in force comes with the facts
of the caller, read at most two seconds ago. Reading a version pauses often, so that ten thousand policies of one
organisation do not hold up the others; meanwhile, and when it cannot be read at all, the last good one stays in force.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.tenancy.policy import Engine, Standing, own
from services.tenancy.policy.index import Index
from services.tenancy.policy.statement import Policy, loaded
from services.tenancy.ports import PolicyStore, PolicyText, Use

T = TypeVar("T")
_SLICE_SECONDS = 0.0005
_LINES_AT_ONCE = 64
_RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 0.25
_LARGE = 500  # policies
_MOST_KEPT = 200_000  # kB or so, of all organisations together

_log = logging.getLogger(__name__)


class BrokenVersionError(Exception):
    """A stored version that does not read as policies."""


@dataclass(frozen=True, slots=True)
class _Kept:
    number: int
    revision: int
    engine: Engine
    weight: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One use of one organisation, and the version that its facts name for it."""

    organisation: str
    use: Use
    number: int
    revision: int


class PolicySets:
    """Engines by organisation, bounded by the policies they hold; least recently used first out."""

    def __init__(self, store: PolicyStore, defaults: Engine, most_kept: int = _MOST_KEPT) -> None:
        self.defaults = defaults
        self.language = hashlib.sha256(defaults.language.text.encode()).hexdigest()[:32]
        self._store = store
        self._most_kept = most_kept
        self._kept: OrderedDict[tuple[str, Use], _Kept] = OrderedDict()
        self._weight = 0
        self._loading: dict[_Wanted, asyncio.Task[Engine]] = {}
        self._failed: dict[_Wanted, float] = {}
        self._turn = asyncio.Semaphore(2)

    async def engine(self, caller: Caller, standing: Standing | None) -> Engine:
        """What decides for this caller. Unavailable when its organisation has policies that never could be read."""
        if standing is None or not standing.policies.revision:
            return self.defaults
        facts = standing.policies
        return await self._engine(caller, _Wanted(caller.organisation, Use.ENFORCED, facts.active, facts.revision))

    async def candidate(self, caller: Caller, standing: Standing) -> Engine:
        """The version that is tried, or the one before it while it is read; raises Unavailable."""
        facts = standing.policies
        return await self._engine(caller, _Wanted(caller.organisation, Use.TRIED, facts.candidate, facts.revision))

    async def _engine(self, caller: Caller, wanted: _Wanted) -> Engine:
        key = (wanted.organisation, wanted.use)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            # Facts of two callers may differ by two seconds: older ones do not bring an older version back.
            if kept.revision >= wanted.revision or kept.number == wanted.number:
                return kept.engine
        if not wanted.number:
            self._keep(wanted, self.defaults, 1)
            return self.defaults
        task = self._task(caller, wanted)
        if kept is None:
            if task is None:
                raise Unavailable("policies", retry_after=_RETRY_SECONDS)
            return await asyncio.shield(task)
        if task is not None:  # most are read at once; a large one is not waited for
            await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
        return task.result() if task and task.done() and task.exception() is None else kept.engine

    def _task(self, caller: Caller, wanted: _Wanted) -> asyncio.Task[Engine] | None:
        """The one reading of a version; None when the last one failed a moment ago."""
        task = self._loading.get(wanted)
        if task is None and time.monotonic() - self._failed.get(wanted, -_RETRY_SECONDS) >= _RETRY_SECONDS:
            task = self._loading[wanted] = asyncio.create_task(self._load(caller, wanted))
            task.add_done_callback(lambda done: self._loaded(wanted, done))
        return task

    def _loaded(self, wanted: _Wanted, done: asyncio.Task[Engine]) -> None:
        self._loading.pop(wanted, None)
        if not done.cancelled() and done.exception() is not None:  # asking for it also marks it as seen
            self._failed = {k: at for k, at in self._failed.items() if time.monotonic() - at < _RETRY_SECONDS}
            self._failed[wanted] = time.monotonic()

    async def _load(self, caller: Caller, wanted: _Wanted) -> Engine:
        async with self._turn:
            text = await self._store.load(caller, wanted.number)
            try:
                index = await paced(self._indexed(caller.organisation, text))
            except (BrokenVersionError, ValueError, TypeError, KeyError):
                _log.warning("a stored policy version cannot be used; the last good one stays in force")
                raise Unavailable("policies", retry_after=_RETRY_SECONDS) from None
        engine = self.defaults.with_own(wanted.number, index)
        self._keep(wanted, engine, engine.weight)
        if len(index.policies) >= _LARGE:
            # What is kept for long is not searched for garbage again and again: with ten thousand policies that stopped
            # every organisation for 90 ms. There are no cycles in it, so it goes when nothing refers to it.
            gc.collect(1)
            gc.freeze()
        return engine

    def _indexed(self, organisation: str, text: PolicyText | None) -> Generator[None, None, Index]:
        index = Index()
        if text is None:
            raise BrokenVersionError
        if text.language != self.language:  # written for an older schema: read anew; what no longer fits it, denies
            found = yield from own.read(self.defaults.language, organisation, text.source)
            if found.violations:
                raise BrokenVersionError
            index.add(found.policies)
            return index
        lines = text.compiled.splitlines()
        for start in range(0, len(lines), _LINES_AT_ONCE):
            index.add(map(loaded, lines[start : start + _LINES_AT_ONCE]))
            yield
        if len(index.policies) != text.policies:
            raise BrokenVersionError
        return index

    def _keep(self, wanted: _Wanted, engine: Engine, weight: int) -> None:
        key = (wanted.organisation, wanted.use)
        old = self._kept.get(key)
        if old is not None and old.revision > wanted.revision:  # a newer one was read meanwhile
            return
        self._weight += weight - (old.weight if old else 0)
        self._kept[key] = _Kept(wanted.number, wanted.revision, engine, weight)
        self._kept.move_to_end(key)
        while self._weight > self._most_kept and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._weight -= gone.weight


async def paced(work: Generator[None, None, T]) -> T:
    """Runs `work` in slices of half a millisecond, and lets everything else run in between."""
    until = time.perf_counter() + _SLICE_SECONDS
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # what the generator returns
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + _SLICE_SECONDS


async def dumped(policies: tuple[Policy, ...]) -> str:
    """The compiled form that is stored."""

    def lines() -> Generator[None, None, list[str]]:
        found = []
        for number, policy in enumerate(policies):
            found.append(policy.dumped())
            if number % _LINES_AT_ONCE == 0:
                yield
        return found

    return "\n".join(await paced(lines()))
