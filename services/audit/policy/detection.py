"""Rules over the stream of events: how often something happened to one subject within a window.

Subjects are what was proven: the user and the key of an accepted credential, the workload of a certificate, the address
that the connection came from. Whoever is only named in a refused credential is in no event, and so never a subject.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.audit.policy.model import Record
from services.audit.policy.personal import is_person

PARTS = 12
"""A window is counted in so many parts, so that its memory does not depend on how much happens in it."""
EVIDENCE = 20
MOST_GROUPS = 50_000
_PERSONAL = ("address", "user")


@dataclass(frozen=True, slots=True)
class Rule:
    """What to count. `where`: field or `facts.<name>` to the values that it may have; `group`: kinds of subjects, the
    first that an event has; `amount`: a fact that is added up instead of counting events."""

    id: str
    codes: frozenset[str]
    where: Mapping[str, frozenset[str]]
    group: tuple[str, ...]
    over: float
    window: float
    cool_down: float
    severity: str
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One sealed event in its place."""

    position: int
    organisation: str
    sequence: int
    hash: bytes
    record: Record

    @property
    def at(self) -> float:
        """When it happened, unix seconds."""
        return self.record.at_us / 1_000_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event that counted, as far as it can be said without naming anybody."""

    organisation: str
    sequence: int
    hash: str
    code: str
    at: float
    trace_id: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom it is about, and what else the last event proved of him."""

    kind: str
    name: str
    organisation: str
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detection:
    """A rule that fired."""

    rule: Rule
    subject: Subject
    position: int
    amount: float
    first_at: float
    last_at: float
    evidence: tuple[Evidence, ...]


@dataclass(slots=True)
class _Tally:
    parts: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=PARTS + 1))
    evidence: deque[Evidence] = field(default_factory=lambda: deque(maxlen=EVIDENCE))
    quiet_until: float = 0.0

    def add(self, part: int, amount: float) -> float:
        """The sum within the window that ends with this part."""
        kept: dict[int, float] = {number: value for number, value in self.parts if number > part - PARTS}
        kept[part] = kept.get(part, 0.0) + amount
        self.parts = deque(sorted(kept.items())[-PARTS:], maxlen=PARTS + 1)
        return sum(value for number, value in self.parts if number <= part)


class Detector:
    """Holds at most `most` groups: the one that was quiet for longest makes room."""

    def __init__(self, rules: Sequence[Rule], most: int = MOST_GROUPS) -> None:
        self._rules, self._most = rules, most
        self._tallies: OrderedDict[tuple[str, str, str], _Tally] = OrderedDict()
        self.codes = frozenset(code for rule in rules for code in rule.codes)
        self.longest = max((rule.window + rule.cool_down for rule in rules), default=0.0)

    def __len__(self) -> int:
        return len(self._tallies)

    def wanted(self, record: Record) -> bool:
        """Whether any rule counts this event: what is sealed in it need not be opened to know."""
        return any(_matches(rule, record) for rule in self._rules)

    def observe(self, seen: Seen) -> Iterator[Detection]:
        """Counts an event, in the order of sealing; what fired."""
        for rule in self._rules:
            subject = subject_of(rule, seen) if _matches(rule, seen.record) else None
            amount = _amount(rule, seen.record) if subject else 0.0
            if subject is not None and amount > 0:
                found = self._count(rule, subject, seen, amount)
                if found is not None:
                    yield found

    def _count(self, rule: Rule, subject: Subject, seen: Seen, amount: float) -> Detection | None:
        key = (rule.id, subject.organisation, f"{subject.kind}:{subject.name}")
        tally = self._tallies.setdefault(key, _Tally())
        self._tallies.move_to_end(key)
        if len(self._tallies) > self._most:
            self._tallies.popitem(last=False)
        total = tally.add(int(seen.at * PARTS / rule.window), amount)
        tally.evidence.append(evidence_of(seen))
        if total <= rule.over or seen.at < tally.quiet_until:
            return None
        tally.quiet_until = seen.at + rule.cool_down
        first = min(each.at for each in tally.evidence)
        return Detection(rule, subject, seen.position, total, first, seen.at, tuple(tally.evidence))


def evidence_of(seen: Seen) -> Evidence:
    """The event without anybody's name."""
    record = seen.record
    return Evidence(seen.organisation, seen.sequence, seen.hash.hex(), record.code, seen.at, record.trace_id)


def subject_of(rule: Rule, seen: Seen) -> Subject | None:
    """Whom the event counts against; None when it proves none of the kinds that the rule wants."""
    known = known_of(seen.record)
    for kind in rule.group:
        name = known.get(kind, "")
        if name:
            # An address is the same one whichever organisation it asks; whoever is inside of one is its own.
            organisation = seen.organisation
            if kind == "target":
                kind, organisation = "organisation", name  # noqa: PLW2901 - the platform speaks about a chain
            return Subject(kind, name, organisation, known)
    return None


def known_of(record: Record) -> dict[str, str]:
    """What an event proves of who caused it, by kind."""
    facts = dict(record.facts)
    user = record.actor if record.organisation and is_person(record.actor) else ""
    found = {
        "address": record.client_address,
        "user": user,
        "brand": record.brand if user else "",
        "key": facts.get("key", "") if user else "",
        "session": facts.get("session", "") if user else "",
        "workload": facts.get("workload", ""),
        "organisation": record.organisation,
        "key_prefix": facts.get("key_prefix", ""),
        "target": facts.get("target", "") if record.service == "audit" else "",
    }
    return {kind: name for kind, name in found.items() if name}


def personal(rule: Rule) -> bool:
    """Whether its subjects lie sealed in the events."""
    return any(kind in _PERSONAL for kind in rule.group)


def _matches(rule: Rule, record: Record) -> bool:
    if record.code not in rule.codes:
        return False
    facts: dict[str, str] | None = None
    for name, values in rule.where.items():
        if name.startswith("facts."):
            facts = dict(record.facts) if facts is None else facts
            value = facts.get(name[len("facts.") :], "")
        else:
            value = str(getattr(record, name))
        if value not in values:
            return False
    return True


def _amount(rule: Rule, record: Record) -> float:
    if not rule.amount:
        return 1.0
    text = dict(record.facts).get(rule.amount, "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
