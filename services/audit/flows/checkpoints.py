"""Signing where chains end. Nothing is signed that does not follow from what was signed before."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from services.audit.policy import Checkpoint, Head, Problem, Record, Signed, Verification
from services.audit.policy.checkpoint import NotACheckpointError, digest, parse
from services.audit.ports import Anchor, AnchorBrokenError, SealStore, Unsigned
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger

_CHAINS = 256
_PAGE = 1000
_PAUSE = 1.0
_REMEMBERED = 100_000


class Signer(Protocol):
    """Holds the key of checkpoints."""

    def sign(self, statement: bytes) -> Signed:
        """With the active version."""

    def genuine(self, signed: Signed) -> bool:
        """Whether a statement was signed with this key."""


class BrokenChainError(Exception):
    """A chain does not follow from its last checkpoint; the problem in one word."""


class Checkpoints:
    """`report` puts an event on record. A chain that does not hold is never signed again, and said once."""

    def __init__(
        self,
        store: SealStore,
        signer: Signer,
        clock: Clock,
        anchors: Sequence[Anchor],
        report: Callable[[Sequence[Record]], Awaitable[int]],
        *,
        seconds: float,
        events: int,
    ) -> None:
        self._store, self._signer, self._clock, self._report = store, signer, clock, report
        self._anchors = anchors
        self._seconds, self._events = seconds, events
        self._signed: dict[str, Signed] = {}
        self.broken: dict[str, str] = {}
        """Chains that were found broken, and how."""

    async def run(self) -> None:
        """Signs for ever."""
        while True:
            try:
                await self.once()
            except KitError as error:
                logger().warning("audit.not_signed", error_class=type(error).__name__)
            await asyncio.sleep(_PAUSE)

    async def once(self, *, now: bool = False) -> int:
        """Signs every chain whose time has come (with `now`: each that has grown); returns how many."""
        done = 0
        for chain in await self._store.unsigned(_CHAINS):
            due = (
                now or self._clock.now() - chain.signed_at >= self._seconds or chain.head - chain.signed > self._events
            )
            if not due or chain.organisation in self.broken:
                continue
            try:
                done += await self.sign(chain.organisation)
            except BrokenChainError as error:
                await self._alarm(chain, str(error))
        return done

    async def sign(self, organisation: str) -> bool:
        """Signs one chain where it ends; False when there is nothing new. Raises BrokenChainError, Unavailable."""
        before = await self._before(organisation)
        start = Head(before.sequence, before.hash) if before else Head()
        tip = await self._store.tip(organisation)
        walk = Verification(organisation, tip, start)
        if tip.sequence < start.sequence:
            raise BrokenChainError(Problem.TRUNCATED)
        while walk.verified < tip.sequence:
            links = await self._store.links(organisation, walk.verified, tip.sequence, _PAGE)
            finding = await asyncio.to_thread(walk.read, links)
            if finding.problem or not links:
                raise BrokenChainError(finding.problem or Problem.TRUNCATED)
        if walk.verified == start.sequence:
            return False
        previous = digest(before.statement()) if before else b""
        at_us = max(int(self._clock.now() * 1_000_000), before.at_us if before else 0)
        signed = self._signer.sign(Checkpoint(organisation, walk.verified, walk.tip, at_us, previous).statement())
        if not await self._store.put_checkpoint(signed):
            return False  # another process was first
        if len(self._signed) >= _REMEMBERED:
            self._signed.clear()
        self._signed[organisation] = signed
        return True

    async def _before(self, organisation: str) -> Checkpoint | None:
        """The last checkpoint, when it is genuine, and not older than what this process or an anchor has seen."""
        kept = await self._store.last_checkpoint(organisation)
        found = _parsed(kept) if kept is not None and self._signer.genuine(kept) else None
        if kept is not None and (found is None or found.organisation != organisation):
            raise BrokenChainError(Problem.SIGNATURE)
        position = found.sequence if found else 0
        mine = self._signed.get(organisation)
        if mine is not None and _position(mine) > position:
            raise BrokenChainError(Problem.TRUNCATED)
        for anchor in self._anchors if mine is None else ():
            try:
                later = await anchor.read(organisation, max(position - 1, 0), 1)
            except AnchorBrokenError:
                raise BrokenChainError(Problem.ANCHOR) from None
            if any(_position(each) > position or (kept and each.statement != kept.statement) for each in later):
                raise BrokenChainError(Problem.ANCHOR)
        return found

    async def _alarm(self, chain: Unsigned, problem: str) -> None:
        self.broken[chain.organisation] = problem
        logger().critical("audit.chain_broken", organisation=chain.organisation, problem=problem)
        facts = {"target": chain.organisation, "problem": problem, "sequence": str(chain.signed)}
        await self._report([alarm("chain_broken", self._clock.now(), facts)])


def alarm(name: str, now: float, facts: dict[str, str]) -> Record:
    """A critical event of the audit service itself, for the platform's chain."""
    return Record(
        event_id=f"{secrets.token_hex(8)}/audit/{name}/{secrets.token_hex(6)}",
        kind="critical",
        code=f"audit.{name}",
        at_us=int(now * 1_000_000),
        outcome="DENY",
        reason="UNSPECIFIED",
        actor="audit",
        service="audit",
        facts=tuple(sorted((key, value) for key, value in facts.items() if value)),
    )


def _parsed(signed: Signed) -> Checkpoint | None:
    try:
        return parse(signed.statement)
    except NotACheckpointError:
        return None


def _position(signed: Signed) -> int:
    found = _parsed(signed)
    return found.sequence if found else 0
