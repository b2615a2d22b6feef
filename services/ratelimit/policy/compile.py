"""From the policy document to the flat list of limits of one caller, computed once per plan and organisation."""

from __future__ import annotations

from collections import OrderedDict

from services.kit.caller import KeyLimit
from services.ratelimit.policy.document import EXACT, LimitRule, PolicyDocument
from services.ratelimit.policy.model import (
    Algorithm,
    Calendar,
    Group,
    Identity,
    Limit,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Subject,
    Unit,
)

_TENANT = (Subject.API_KEY, Subject.USER_BRAND, Subject.ORGANISATION)
# Only API keys are counted per key: another credential's id (an issuer's, say) may be shared by many users.
_KEY_PREFIX = "key_"
_REMEMBERED = 4096  # sets of keys' own limits


def _number(numbers: int | dict[str, int], plan: str) -> int:
    return numbers if isinstance(numbers, int) else numbers[plan]


def compile_limit(rule: LimitRule, plan: str, override: int | None = None) -> Limit:
    """Fills in the numbers of one plan; an override replaces the limit, and the burst with it."""
    limit = _number(rule.limit, plan) if override is None else override
    capacity = limit if rule.burst is None or override is not None else _number(rule.burst, plan)
    return Limit(
        id=rule.id,
        subject=rule.subject,
        unit=rule.unit,
        algorithm=rule.algorithm,
        limit=limit,
        capacity=capacity,
        window_seconds=0 if isinstance(rule.window, Calendar) else rule.window,
        calendar=rule.window if isinstance(rule.window, Calendar) else None,
        on_exceed=rule.on_exceed,
        on_store_error=rule.on_store_error,
        on_expiry=rule.on_expiry,
        observe=rule.mode == "observe",
    )


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
    """Compiles on first use and remembers; the number of entries is bounded by plans and overridden organisations, and
    by a fixed number for the limits that keys bring along."""

    def __init__(self, document: PolicyDocument) -> None:
        self._document = document
        self._tenant: dict[tuple[str, str], tuple[Group, ...]] = {}
        self._own: OrderedDict[tuple[str, str, tuple[KeyLimit, ...]], tuple[Group, ...]] = OrderedDict()
        self._address = self._groups(document.default_plan, "", (Subject.ADDRESS,))

    def address(self) -> tuple[Group, ...]:
        """The limits of a client address; they cannot depend on a plan, which is not known yet."""
        return self._address

    def tenant(self, identity: Identity) -> tuple[Group, ...]:
        """Every limit of a proven caller, by subject. An unknown plan gets the default plan, never no limits."""
        plan = identity.plan if identity.plan in self._document.plans else self._document.default_plan
        organisation = identity.organisation if identity.organisation in self._document.organisations else ""
        cached = self._tenant.get((plan, organisation))
        if cached is None:
            cached = self._tenant[plan, organisation] = self._groups(plan, organisation, _TENANT)
        if identity.credential_id.startswith(_KEY_PREFIX):
            return self._with_own(cached, plan, organisation, identity.limits) if identity.limits else cached
        return tuple(group for group in cached if group.subject is not Subject.API_KEY)

    def _with_own(
        self, groups: tuple[Group, ...], plan: str, organisation: str, limits: tuple[KeyLimit, ...]
    ) -> tuple[Group, ...]:
        """The key's own limits beside the plan's, never in place of one."""
        question = (plan, organisation, limits)
        found = self._own.get(question)
        if found is None:
            planned = next((group.limits for group in groups if group.subject is Subject.API_KEY), ())
            others = tuple(group for group in groups if group.subject is not Subject.API_KEY)
            own = Group(Subject.API_KEY, (*planned, *(own_limit(limit) for limit in limits)))
            found = self._own[question] = (own, *others)
            if len(self._own) > _REMEMBERED:
                self._own.popitem(last=False)
        self._own.move_to_end(question)
        return found

    def _groups(self, plan: str, organisation: str, subjects: tuple[Subject, ...]) -> tuple[Group, ...]:
        overrides = self._document.organisations.get(organisation, {})
        groups = []
        for subject in subjects:
            rules = [rule for rule in self._document.limits if rule.subject is subject]
            limits = tuple(compile_limit(rule, plan, overrides.get(rule.id)) for rule in rules)
            if limits:
                groups.append(Group(subject, limits))
        return tuple(groups)
