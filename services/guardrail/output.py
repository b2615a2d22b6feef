"""What comes from the model: ports in, plain values out. It refuses what it could not look at to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from services.guardrail.policy import answers, canary, fingerprints
from services.guardrail.policy.answers import Check, Looked, Skip
from services.guardrail.policy.model import Edit
from services.guardrail.policy.own import Own
from services.guardrail.ports import Answer, Detector, Permissions, Policies, Question, Worker
from services.kit.caller import Caller
from services.kit.keys import VersionedSecret


@dataclass(frozen=True, slots=True)
class Piece:
    """An answer, or the next piece of one: what was released before it, and what of the prompt was said by then."""

    conversation: str
    text: str
    preceding: str = ""
    prompt_prints: bytes = b""
    prompt_seen: bytes = b""
    prompt_version: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """The answer as it may be shown, or nothing of it; `looked` says what was really looked at."""

    withheld: bool
    text: str = ""
    edits: tuple[Edit, ...] = ()
    removed: int = 0
    too_large: bool = False
    looked: tuple[Looked, ...] = ()
    prompt_seen: bytes = b""
    version: str = ""


@dataclass(slots=True)
class _Report:
    """Collects what ran; what nothing was said about did not run, because of what stopped the rest."""

    characters: int
    said: dict[Check, Looked] = field(default_factory=dict)

    def ran(self, *checks: Check) -> None:
        self.said |= {check: Looked(check, self.characters) for check in checks}

    def skipped(self, check: Check, why: Skip) -> None:
        self.said[check] = Looked(check, 0, why)

    def whole(self, rest: Skip) -> tuple[Looked, ...]:
        return tuple(self.said.get(check, Looked(check, 0, rest)) for check in Check)


class Output:
    """Inspects answers for one deployment."""

    def __init__(
        self,
        policies: Policies,
        worker: Worker,
        detector: Detector,
        permissions: Permissions,
        keys: Callable[[], Sequence[VersionedSecret]],
        most: int,
    ) -> None:
        self._policies = policies
        self._worker = worker
        self._detector = detector
        self._permissions = permissions
        self._keys = keys
        self._most = most

    async def inspect(self, caller: Caller, token: str, piece: Piece) -> Released:
        """May this be shown, and how? What spans it and what came before is found; only the new piece is returned."""
        whole = piece.preceding + piece.text
        report = _Report(len(whole))
        if len(whole) > self._most:
            return Released(withheld=True, too_large=True, looked=report.whole(Skip.TOO_LARGE))
        marks = [
            canary.make(key.value, caller.organisation, piece.conversation, version)
            for key in self._keys()
            for version in sorted({"", piece.prompt_version})
        ]
        report.ran(Check.CANARY)
        if await self._worker.run(len(whole), partial(canary.appears, whole, marks)):
            return _withheld(piece, report, "canary.found")
        said, seen = await self._says_prompt(caller, piece, whole, report)
        if said:
            return _withheld(piece, report, "prompt.said")
        own = await self._policies.of(caller)
        edits = await self._edits(token, whole, own, report)
        shown, made = answers.apply(whole, edits, len(piece.preceding))
        shift = len(piece.preceding)
        return Released(
            withheld=False,
            text=shown,
            edits=tuple(Edit(max(0, e.start - shift), e.end - shift, e.replacement, e.rule) for e in made),
            removed=sum(edit.replacement == answers.REMOVED for edit in made),
            looked=report.whole(Skip.WITHHELD_BEFORE),
            prompt_seen=seen,
            version=own.version,
        )

    async def _says_prompt(self, caller: Caller, piece: Piece, whole: str, report: _Report) -> tuple[bool, bytes]:
        if not piece.prompt_prints:
            report.skipped(Check.PROMPT, Skip.NOT_GIVEN)
            return False, b""
        prints = fingerprints.read(piece.prompt_prints)
        if prints is None:  # somebody changed them on the way: no answer is better than one that nobody looked at
            return True, b""
        if len(prints.hashes) < fingerprints.LEAST:
            report.skipped(Check.PROMPT, Skip.TOO_SHORT)
            return False, b""
        keys = [fingerprints.key_of(key.value, caller.organisation) for key in self._keys()]
        looking = partial(fingerprints.look, keys, prints, whole, piece.prompt_seen)
        seen = await self._worker.run(len(whole), looking)
        report.ran(Check.PROMPT)
        return fingerprints.says_it(prints, seen), seen

    async def _edits(self, token: str, whole: str, own: Own, report: _Report) -> list[Edit]:
        release = own.release
        leaks = await self._detector.find(token, whole, release.leaks) if whole.strip() else []
        plain = [(leak.entity, leak.start, leak.end) for leak in leaks]
        found = await self._worker.run(len(whole), partial(answers.edits_of, whole, release, own.hosts, plain))
        report.ran(Check.SECRETS, Check.LINKS, Check.HIDDEN, Check.PERSONAL_DATA)
        if not own.identifiers:
            report.skipped(Check.IDENTIFIERS, Skip.NOT_DECLARED)
            return found
        named = await self._worker.run(len(whole), partial(answers.named, whole, own.identifiers))
        report.ran(Check.IDENTIFIERS)
        return answers.merged([*found, *await self._foreign(token, named)])

    async def _foreign(self, token: str, named: dict[tuple[str, str, str], list[tuple[int, int]]]) -> list[Edit]:
        """Identifiers that the caller may not read: those of somebody else and those of nobody are alike to tenancy."""
        asked = list(named)[: answers.MOST_ASKED]
        said = await self._permissions.ask(token, [Question(*each) for each in asked]) if asked else []
        mine = {each for each, answer in zip(asked, said, strict=True) if answer is Answer.ALLOWED}
        return [
            Edit(start, end, answers.REMOVED, "identifier.foreign")
            for each, places in named.items()
            if each not in mine
            for start, end in places
        ]


def _withheld(piece: Piece, report: _Report, rule: str) -> Released:
    edit = Edit(0, len(piece.text), "", rule)
    return Released(withheld=True, edits=(edit,), looked=report.whole(Skip.WITHHELD_BEFORE))
