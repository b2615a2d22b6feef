"""From the policy document to the flat list of limits of one caller, computed once for all that they depend on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.kit.caller import KeyLimit
from services.ratelimit.policy.document import EXACT, LimitRule, PolicyDocument, check_amount
from services.ratelimit.policy.model import (
    Algorithm,
    Calendar,
    Group,
    Identity,
    Limit,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Override,
    Penalties,
    Subject,
    Unit,
)

# Only API keys are counted per key: another credential's id (an issuer's, say) may be shared by many users.
_KEY_PREFIX = "key_"
_REMEMBERED = 4096  # sets of limits
_ANY: tuple[str, ...] = ("*",)  # every rule of a subject; no id looks like this


@dataclass(frozen=True, slots=True)
class Chosen:
    """What holds for one caller instead of a plan's number; `trusted` only while the score is below `below`."""

    limit: int
    trusted: int = 0
    below: int = 0


def _number(numbers: int | dict[str, int], plan: str) -> int:
    return numbers if isinstance(numbers, int) else numbers[plan]


def compile_limit(rule: LimitRule, plan: str, chosen: Chosen | None = None) -> Limit:
    """Fills in the numbers of one plan; what was chosen for a caller replaces the limit, and the burst with it."""
    limit = _number(rule.limit, plan) if chosen is None else chosen.limit
    capacity = limit if rule.burst is None or chosen is not None else _number(rule.burst, plan)
    return Limit(
        id=rule.id,
        subject=rule.subject,
        unit=rule.unit,
        algorithm=rule.algorithm,
        limit=limit,
        capacity=capacity,
        window_seconds=rule.window if isinstance(rule.window, int) else 0,
        calendar=rule.window if isinstance(rule.window, Calendar) else None,
        on_exceed=rule.on_exceed,
        on_store_error=rule.on_store_error,
        on_expiry=rule.on_expiry,
        observe=rule.mode == "observe",
        zone=rule.zone,
        exact=rule.exact,
        hold_permille=rule.hold_permille,
        trusted=chosen.trusted if chosen else 0,
        trusted_below=chosen.below if chosen else 0,
    )


def choose(rule: LimitRule, identity: Identity, plan: str, now: float) -> Chosen | None:
    """The amount by what is known of the caller; None when the plan's own number holds."""
    trusted, below = 0, 0
    for case in rule.cases:
        if not case.holds(identity, plan, now):
            continue
        if case.score_below is None:
            return Chosen(case.limit, trusted, below)
        if not trusted:
            trusted, below = case.limit, case.score_below * 1000
    return Chosen(_number(rule.limit, plan), trusted, below) if trusted else None


def own_limit(own: KeyLimit) -> Limit:
    """A limit that a key brings along, named by what it counts, e.g. `key.requests.60`.

    Over a sliding window where that can be counted exactly, else at a steady rate. What neither can count is narrowed
    until it can be: a key's limit is never wider than it says. Raises ValueError for a unit that is not known here.
    """
    unit, seconds = Unit(own.unit), max(own.seconds, 1)
    gcra = own.amount * seconds * 1000 > EXACT and own.amount * 100 <= seconds * 1_000_000
    amount = max(own.amount if gcra else min(own.amount, EXACT // (seconds * 1000)), 1)
    requests = unit is Unit.REQUESTS
    return Limit(
        id=f"key.{unit.value}.{seconds}",
        subject=Subject.API_KEY,
        unit=unit,
        algorithm=Algorithm.GCRA if gcra else Algorithm.SLIDING,
        limit=amount,
        capacity=amount,
        window_seconds=seconds,
        calendar=None,
        on_exceed=OnExceed.THROTTLE,
        on_store_error=OnStoreError.DEGRADE if requests else OnStoreError.CLOSED,
        on_expiry=OnExpiry.REFUND if requests else OnExpiry.CHARGE,
        observe=False,
    )


class Compiler:
    """Compiles on first use and remembers a bounded number of sets, the least recently used forgotten first."""

    def __init__(self, document: PolicyDocument) -> None:
        self._document = document
        self._known: OrderedDict[tuple[object, ...], tuple[Group, ...]] = OrderedDict()
        self._rules = {rule.id: rule for rule in document.limits}
        self._with_cases = [rule for rule in document.limits if rule.cases]
        self._named = {
            subject: [rule for rule in document.limits if rule.subject is subject]
            for subject in (Subject.TOOL, Subject.MODEL)
        }
        self._address = self._groups(document.default_plan, {}, {Subject.ADDRESS: _ANY})
        self.penalties: Penalties | None = document.penalties.compiled() if document.penalties else None
        # Being over its limit is not held against an address: many may share one, and a challenge is its answer.
        self.address_penalties = replace(self.penalties, strike=0) if self.penalties else None

    def address(self) -> tuple[Group, ...]:
        """The limits of a client address; they cannot depend on a plan, which is not known yet."""
        return self._address

    def tenant(self, identity: Identity, now: float = 0.0, overrides: tuple[Override, ...] = ()) -> tuple[Group, ...]:
        """Every limit of a proven caller, by subject. An unknown plan gets the default plan, never no limits."""
        plan = identity.plan if identity.plan in self._document.plans else self._document.default_plan
        organisation = identity.organisation if identity.organisation in self._document.organisations else ""
        keyed = identity.credential_id.startswith(_KEY_PREFIX)
        cases = tuple(choose(rule, identity, plan, now) for rule in self._with_cases)
        tools = self._counted(Subject.TOOL, identity.tool)
        models = self._counted(Subject.MODEL, identity.model)
        own = identity.limits if keyed else ()
        question = (plan, organisation, keyed, bool(identity.brand), cases, tools, models, own, overrides)
        found = self._known.get(question)
        if found is None:
            chosen = {rule.id: case for rule, case in zip(self._with_cases, cases, strict=True) if case}
            chosen |= self._overridden(organisation, overrides)
            subjects = {
                Subject.API_KEY: _ANY if keyed else None,
                Subject.USER_BRAND: _ANY,
                Subject.BRAND: _ANY if identity.brand else None,
                Subject.ORGANISATION: _ANY,
                Subject.TOOL: tools,
                Subject.MODEL: models,
            }
            found = self._known[question] = _with_own(self._groups(plan, chosen, subjects), own)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(question)
        return found

    def every(self, identity: Identity, now: float, overrides: tuple[Override, ...]) -> tuple[Limit, ...]:
        """Every limit that may stand in a reservation of this caller, whatever tool and model it was for."""
        named = [compile_limit(rule, self._document.default_plan) for rules in self._named.values() for rule in rules]
        return tuple(limit for group in self.tenant(identity, now, overrides) for limit in group.limits) + tuple(named)

    def _counted(self, subject: Subject, name: str) -> tuple[str, ...]:
        """Ids of the limits that count this tool or model."""
        if not name:
            return ()
        return tuple(rule.id for rule in self._named[subject] if rule.names is None or name in rule.names)

    def _overridden(self, organisation: str, overrides: Iterable[Override]) -> dict[str, Chosen]:
        """By the document, and by what was granted for a while. A grant that this policy cannot count (a limit that it
        does not have, too large for its algorithm) leaves the limit as it is."""
        found = {name: Chosen(amount) for name, amount in self._document.organisations.get(organisation, {}).items()}
        for override in overrides:
            rule = self._rules.get(override.limit_id)
            if rule is not None and rule.subject is not Subject.ADDRESS and _countable(rule, override.amount):
                found[override.limit_id] = Chosen(override.amount)
        return found

    def _groups(
        self, plan: str, chosen: dict[str, Chosen], subjects: dict[Subject, tuple[str, ...] | None]
    ) -> tuple[Group, ...]:
        groups = []
        for subject, ids in subjects.items():
            if ids is None:
                continue
            rules = [
                rule for rule in self._document.limits if rule.subject is subject and (ids == _ANY or rule.id in ids)
            ]
            if rules:
                groups.append(Group(subject, tuple(compile_limit(rule, plan, chosen.get(rule.id)) for rule in rules)))
        return tuple(groups)


def _countable(rule: LimitRule, amount: int) -> bool:
    try:
        check_amount(rule, amount)
    except ValueError:
        return False
    return amount >= 0


def _with_own(groups: tuple[Group, ...], limits: tuple[KeyLimit, ...]) -> tuple[Group, ...]:
    """A key's own limits beside the plan's, never in place of one."""
    if not limits:
        return groups
    planned = next((group.limits for group in groups if group.subject is Subject.API_KEY), ())
    others = tuple(group for group in groups if group.subject is not Subject.API_KEY)
    return (Group(Subject.API_KEY, (*planned, *(own_limit(limit) for limit in limits))), *others)
