"""The trail's part of a run: a month that is past its time is archived, rests, is verified again, and is dropped.

Each step leaves a state from which the next run goes on: a file that is whole or not there, a cut that is signed while
the events still lie there, ids before events, the month at last. The database drops nothing uncut or held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.audit.flows.checkpoints import Signer
from services.audit.flows.retention_ports import Archive, Archives, Chain, Months
from services.audit.policy import Finding, Head, Link, Manifest, Mark, Problem, Signed, Verification, export
from services.audit.policy.checkpoint import NotACheckpointError, parse
from services.audit.policy.cut import Cut
from services.audit.policy.export import event_line, header_line, signed_line
from services.audit.policy.retention import TrailRules

_PAGE = 1000
_STRETCH = 5000
Progress = Callable[[str, int], None]


class NotArchivedError(Exception):
    """A month of a chain cannot be archived; in words why."""


@dataclass(slots=True)
class Done:
    """What became of the trail."""

    archived: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    months: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trail:
    """`jwks` are the public keys that an archive brings along."""

    months: Months
    files: Archives
    signer: Signer
    jwks: Callable[[], Mapping[str, Any]]

    async def due(self, rules: TrailRules, now: float) -> list[str]:
        """Months of which everything is older than the policy keeps it."""
        return [month for month in await self.months.months() if _end(month) + rules.hot <= now]

    async def run(self, rules: TrailRules, now: float, progress: Progress) -> Done:
        """Every month that is due, oldest first; a chain goes on only as far as nothing of it stays behind."""
        done, blocked = Done(), set[str]()
        for month in await self.due(rules, now):
            await self._month(month, now - rules.rest, now, done, blocked, progress)
        return done

    async def _month(
        self, month: str, rested: float, now: float, done: Done, blocked: set[str], progress: Progress
    ) -> None:
        chains, left = await self.months.chains(month), False
        archives = await self.months.archives(month)
        whole = not any(chain.held or chain.organisation in blocked for chain in chains)
        cut: list[Chain] = []
        for chain in chains:
            try:
                archive = None if chain.held else await self._archived(chain, month, archives, now, done)
            except NotArchivedError as error:
                done.problems.append(f"trail {month} of {chain.organisation or 'the platform'}: {error}")
                archive = None
            if archive is None or archive.made_at > rested or chain.organisation in blocked:
                blocked.add(chain.organisation)
                left = True
                continue
            await self._cut(chain, month, archive, now)
            cut.append(chain)
        for chain in cut:
            await self._forget(chain, events_too=left or not whole)
            done.dropped[chain.organisation] = done.dropped.get(chain.organisation, 0) + chain.last - chain.first + 1
            progress(f"trail {month}", chain.last - chain.first + 1)
        if not left:
            await self.months.drop(month)
            done.months.append(month)

    async def _archived(
        self, chain: Chain, month: str, known: Mapping[str, Archive], now: float, done: Done
    ) -> Archive:
        """The archive of a chain's month, made now or earlier, as it lies in the folder and holds."""
        archive = known.get(chain.organisation)
        lies = await asyncio.to_thread(self.files.digest, chain.organisation, month)
        if archive is not None and lies == archive.digest and archive.last == chain.last:
            return archive
        tip = await self._write(chain, month, now)
        await asyncio.to_thread(self._check, chain, month, tip)
        await self._signed_further_on(chain, tip)
        digest = await asyncio.to_thread(self.files.digest, chain.organisation, month)
        archive = Archive(chain.first, chain.last, tip, digest, now)
        facts = {"first": chain.first, "last": chain.last, "tip": tip.hex(), "sha256": digest.hex()}
        await asyncio.to_thread(self.files.enter, chain.organisation, month, facts)
        await self.months.put_archive(chain.organisation, month, archive)
        done.archived += 1
        return archive

    async def _write(self, chain: Chain, month: str, now: float) -> bytes:
        """The file: as an export, with every checkpoint between, and a signed end."""
        head = await self.months.head(chain.organisation)
        place, tip = chain.first - 1, b""
        with self.files.writing(chain.organisation, month) as file:
            file.write(header_line(chain.organisation, self.jwks()))
            while place < chain.last:
                links = await self.months.links(chain.organisation, place, chain.last, _PAGE)
                if not links:
                    raise NotArchivedError("it ends before its end")
                marks = await self._marks(chain.organisation, place, links[-1].sequence)
                await asyncio.to_thread(file.write, b"".join(_line(link, marks) for link in links))
                place, tip = links[-1].sequence, links[-1].hash
            manifest = Manifest(chain.organisation, chain.first, place, tip, head.sequence, int(now * 1_000_000))
            file.write(signed_line("manifest", self.signer.sign(manifest.statement())))
        return tip

    async def _marks(self, organisation: str, after: int, until: int) -> dict[int, Signed]:
        found: dict[int, Signed] = {}
        for signed in await self.months.marks(organisation, after, _PAGE):
            place = _place(signed)
            if after < place <= until:
                found[place] = signed
        return found

    def _check(self, chain: Chain, month: str, tip: bytes) -> None:
        """What the offline verifier says of the file, as it lies there, and that it is the one that was meant."""
        try:
            with self.files.path(chain.organisation, month).open("rb") as lines:
                parsed = export.read(lines)
        except (OSError, export.NotAnExportError):
            raise NotArchivedError("its archive cannot be read") from None
        walk, finding = export.verify(parsed, self.signer.genuine)
        if finding.problem:
            raise NotArchivedError(f"its archive does not verify ({finding.problem})")
        first = parsed.links[0].sequence if parsed.links else 0
        if (parsed.organisation, first, walk.verified, walk.tip) != (chain.organisation, chain.first, chain.last, tip):
            raise NotArchivedError("its archive is of something else")

    async def _signed_further_on(self, chain: Chain, tip: bytes) -> None:
        """The next checkpoint must follow from where the archive ends: else nothing says that this is the chain."""
        marks = await self.months.marks(chain.organisation, chain.last - 1, 1)
        if not marks or not self.signer.genuine(marks[0]):
            raise NotArchivedError("it is not signed yet")
        checkpoint = parse(marks[0].statement)
        walk = Verification(chain.organisation, Head(), Head(chain.last, tip))
        walk.expect([Mark(checkpoint.sequence, checkpoint.hash)])
        while walk.verified < checkpoint.sequence and not walk.finding.problem:
            links = await self.months.links(chain.organisation, walk.verified, checkpoint.sequence, _PAGE)
            finding = walk.read(links) if links else Finding(Problem.TRUNCATED, walk.verified + 1)
            if finding.problem:
                raise NotArchivedError(f"what follows it does not hold ({finding.problem})")
        if walk.finding.problem:
            raise NotArchivedError(f"what follows it does not hold ({walk.finding.problem})")

    async def _cut(self, chain: Chain, month: str, archive: Archive, now: float) -> None:
        """Verified once more, then signed: from here on the chain may begin after it."""
        if chain.cut >= chain.last:
            return
        await asyncio.to_thread(self._check, chain, month, archive.tip)
        statement = Cut(chain.organisation, chain.last, archive.tip, archive.digest, int(now * 1_000_000)).statement()
        await self.months.put_cut(chain.organisation, chain.last, self.signer.sign(statement))

    async def _forget(self, chain: Chain, *, events_too: bool) -> None:
        for after in range(chain.first - 1, chain.last, _STRETCH):
            until = min(after + _STRETCH, chain.last)
            await self.months.forget(chain.organisation, after, until, events_too=events_too)


def _line(link: Link, marks: Mapping[int, Signed]) -> bytes:
    mark = marks.get(link.sequence)
    return event_line(link) + (signed_line("checkpoint", mark) if mark else b"")


def _place(signed: Signed) -> int:
    try:
        return parse(signed.statement).sequence
    except NotACheckpointError:
        return 0


def _end(month: str) -> float:
    """When a month of YYYYMM is over."""
    year, number = int(month[:4]), int(month[4:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()
