"""Verifying archived months of the trail: each file by itself, and that each goes on where the one before ended."""

from __future__ import annotations

from services.audit.adapters.archives import ArchiveFolder
from services.audit.policy import Signature, export


def verify(archive: ArchiveFolder, genuine: Signature) -> tuple[int, list[str]]:
    """How many files, and what does not hold."""
    try:
        entries = archive.entries()
    except ValueError:
        return 0, ["the index was altered"]
    # A month that was archived again stands in it twice; the last word counts.
    latest = {entry["file"]: entry for entry in entries}
    ends: dict[str, tuple[int, str]] = {}
    problems: list[str] = []
    for entry in sorted(latest.values(), key=lambda each: (each["organisation"], each["month"])):
        whose, name = entry["organisation"], entry["file"]
        if archive.digest(whose, entry["month"]).hex() != entry["sha256"]:
            problems.append(f"{name}: missing or altered")
            continue
        with archive.path(whose, entry["month"]).open("rb") as lines:
            parsed = export.read(lines)
        walk, finding = export.verify(parsed, genuine)
        if finding.problem:
            problems.append(f"{name}: {finding.problem} at event {finding.position}")
        before = ends.get(whose)
        if before and (parsed.links[0].sequence, parsed.links[0].prev.hex()) != (before[0] + 1, before[1]):
            problems.append(f"{name}: does not follow from the month before")
        ends[whose] = (walk.verified, walk.tip.hex())
    return len(latest), problems
