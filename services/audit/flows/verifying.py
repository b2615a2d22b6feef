"""Verifies a chain as it lies in the store: its hashes, what was signed, and what lies at the anchors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.audit.policy import Finding, Head, Mark, Problem, Signature, Statements, Verification
from services.audit.policy.cut import begins_at
from services.audit.ports import Anchor, AnchorBrokenError, Reader

_MARKS = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a walk found; `done` is False when there is more to walk from its end."""

    finding: Finding
    position: int
    tip: bytes
    done: bool


class _Marks:
    """What is expected of the chain, from one source, read no further than the walk needs."""

    def __init__(self, reader: Reader, anchor: Anchor | None, genuine: Signature, after: int) -> None:
        problem = Problem.ANCHOR if anchor else Problem.SIGNATURE
        self._reader, self._anchor = reader, anchor
        self.statements = Statements(reader.organisation, genuine, problem)
        self._place = max(after - 1, 0)  # with the one that the walk begins at
        self._ended = False

    async def upto(self, position: int) -> list[Mark]:
        """The marks to a position, and some more. Raises Unavailable, AnchorBrokenError."""
        found: list[Mark] = []
        while not self._ended and self._place < position:
            found += await self._more()
        return found

    async def _more(self) -> list[Mark]:
        if self._anchor is None:
            rows = await self._reader.checkpoints(self._place, _MARKS)
            marks = self.statements.read([signed for _, signed in rows], [place for place, _ in rows])
            self._ended = len(rows) < _MARKS
            self._place = rows[-1][0] if rows else self._place
            return marks
        kept = await self._anchor.read(self._reader.organisation, self._place, _MARKS)
        marks = self.statements.read(kept)
        self._ended = len(kept) < _MARKS or not marks
        self._place = marks[-1].sequence if marks else self._place
        return marks


class Verifier:
    """`most` events are walked in one call; the rest from where that ended."""

    def __init__(self, genuine: Signature, anchors: Sequence[Anchor], *, page: int, most: int) -> None:
        self._genuine, self._anchors, self._page, self._most = genuine, anchors, page, most

    async def verify(self, reader: Reader, start: Head | None = None) -> Outcome:
        """Reads up to where the chain ended when this began; events that come meanwhile do not disturb it. A chain
        whose beginning lies in archives is walked from its signed cut on."""
        start = start or Head()
        signed = await reader.cut()
        cut = begins_at(signed, reader.organisation, self._genuine) if signed else Head()
        if cut is None:
            return Outcome(Finding(Problem.SIGNATURE, 0), 0, start.hash, done=True)
        start = cut if cut.sequence > start.sequence else start
        head, _ = await reader.head()
        walk = Verification(reader.organisation, head, start)
        sources = [_Marks(reader, anchor, self._genuine, start.sequence) for anchor in (None, *self._anchors)]
        try:
            finished = await self._walk(reader, walk, head, sources, start.sequence + self._most)
        except AnchorBrokenError:
            return _outcome(walk, Finding(Problem.ANCHOR, walk.verified))
        if not finished and not walk.finding.problem:
            return _outcome(walk, walk.finding, done=False)
        if not walk.finding.problem:
            ended, last = await reader.head()
            walk.end(ended, max(last, cut.sequence))  # nothing may be left after the cut
        wrong = [source.statements.finding for source in sources if source.statements.finding.problem]
        # A forged signature explains more than that its chain is not the one at the anchors.
        if wrong and walk.finding.problem in (Problem.NONE, Problem.ANCHOR):
            return _outcome(walk, wrong[0])
        return _outcome(walk, walk.finding)

    async def _walk(
        self, reader: Reader, walk: Verification, head: Head, sources: Sequence[_Marks], until: int
    ) -> bool:
        """Whether the end was reached."""
        while not walk.finding.problem:
            links = await reader.links(walk.verified, head.sequence, self._page)
            reached = links[-1].sequence if links else head.sequence + 1
            for source in sources:
                walk.expect(await source.upto(max(reached, 1)))
            if not links:
                return True
            # Hashing holds the interpreter for milliseconds; in a thread it gives way to other calls meanwhile.
            await asyncio.to_thread(walk.read, links)
            if walk.verified >= until and walk.verified < head.sequence:
                return False
        return True


def _outcome(walk: Verification, finding: Finding, *, done: bool = True) -> Outcome:
    return Outcome(finding, walk.verified, walk.tip, done)
