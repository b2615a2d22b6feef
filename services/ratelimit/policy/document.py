"""The policy as data: what an operator writes in `policies/ratelimit.yaml`, checked strictly before it is accepted."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from services.ratelimit.policy.descriptors import DomainName, EnvoyDomain
from services.ratelimit.policy.model import (
    Algorithm,
    Calendar,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Subject,
    Unit,
    Zone,
)
from services.ratelimit.policy.rules import Amount, Case, PenaltyRules, Strict

# Scripts count in doubles, which are exact to 2^53; every product they form stays below this.
EXACT = 2**52

LimitId = Annotated[str, Field(pattern=r"^[a-z0-9_.]+$", max_length=64)]
PlanName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/@-]{1,128}$")]
Version = Annotated[str, Field(min_length=1, max_length=24)]
# Midnight is a brand's own only where the subject belongs to one brand: else one counter would have several midnights.
_OF_A_BRAND = frozenset({Subject.USER_BRAND, Subject.BRAND})


class PolicyError(ValueError):
    """The document is not a policy; the text names every wrong key and is meant for the operator who wrote it."""


class LimitRule(Strict):
    """One limit as written: numbers may differ by plan, and by what is known of the caller (`cases`)."""

    id: LimitId
    subject: Subject
    unit: Unit
    window: Annotated[int, Field(ge=1, le=366 * 86_400, strict=True)] | Calendar | Literal["live"]
    zone: Zone = Zone.UTC
    algorithm: Algorithm
    limit: Amount | dict[PlanName, Amount]
    burst: Amount | dict[PlanName, Amount] | None = None
    on_exceed: OnExceed = OnExceed.THROTTLE
    on_store_error: OnStoreError = OnStoreError.CLOSED
    on_expiry: OnExpiry = OnExpiry.CHARGE
    mode: Literal["enforce", "observe"] = "enforce"
    exact: bool = False
    hold_permille: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1000
    names: list[Name] | None = None
    cases: Annotated[list[Case], Field(max_length=8)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> LimitRule:
        windows = {Algorithm.CALENDAR: isinstance(self.window, Calendar), Algorithm.LIVE: self.window == "live"}
        if not windows.get(self.algorithm, isinstance(self.window, int)):
            raise ValueError("a calendar limit has the window day, week or month, a live one live, any other seconds")
        if (self.unit is Unit.CONCURRENCY) != (self.algorithm is Algorithm.LIVE):
            raise ValueError("what is in flight is counted by the algorithm live, and nothing else is")
        if self.algorithm is Algorithm.LIVE and self.on_store_error is OnStoreError.DEGRADE:
            raise ValueError("what is in flight cannot be shared out: closed or open")
        if self.burst is not None and self.algorithm is not Algorithm.GCRA:
            raise ValueError("only a gcra limit has a burst")
        if self.subject is Subject.ADDRESS and self.unit is not Unit.REQUESTS:
            raise ValueError("an address is counted in requests: nothing else is known before the credential")
        if self.zone is Zone.BRAND and not (self.subject in _OF_A_BRAND and isinstance(self.window, Calendar)):
            raise ValueError("zone: brand needs a calendar window, and a subject that belongs to one brand")
        self._check_options()
        amounts = [*self.limit.values()] if isinstance(self.limit, dict) else [self.limit]
        for amount in [*amounts, *(case.limit for case in self.cases)]:
            check_amount(self, amount)
        return self

    def _check_options(self) -> None:
        spends = self.unit in (Unit.TOKENS, Unit.MICRO_USD)
        if (self.exact or self.hold_permille < 1000) and not spends:
            raise ValueError("only a limit of tokens or money is exact or clamps a reservation")
        if self.exact and self.hold_permille < 1000:
            raise ValueError("an exact limit reserves the whole, so it cannot clamp")
        if self.names is not None and self.subject not in (Subject.TOOL, Subject.MODEL):
            raise ValueError("only a limit of a tool or a model has names")
        if self.cases and (self.algorithm is Algorithm.GCRA or self.subject is Subject.ADDRESS):
            raise ValueError("cases need a caller, and a window that is not gcra")


def check_amount(rule: LimitRule, amount: int) -> None:
    """Raises ValueError when the algorithm cannot count this limit exactly."""
    if not isinstance(rule.window, int):
        return
    if amount < 1:
        raise ValueError(f"{rule.id}: a limit over seconds is at least 1")
    if rule.algorithm is Algorithm.SLIDING and amount * rule.window * 1000 > EXACT:
        raise ValueError(f"{rule.id}: too large for a sliding window of this length; use a calendar window")
    if rule.algorithm is Algorithm.GCRA and amount * 100 > rule.window * 1_000_000:
        raise ValueError(f"{rule.id}: too fast for gcra (more than one per 100 us); use a sliding window")


class PriceRule(Strict):
    """Micro-USD per million tokens; 0 is a price, and means free."""

    input: Annotated[int, Field(ge=0, le=10**9, strict=True)]
    output: Annotated[int, Field(ge=0, le=10**9, strict=True)]


class PriceTable(Strict):
    """Prices by model. A model that is not in it is never free."""

    version: Version
    unknown_model: Literal["conservative", "deny"] = "conservative"
    models: Annotated[dict[str, PriceRule], Field(min_length=1)]


class Holds(Strict):
    """How long reservations live, in seconds."""

    default_seconds: Annotated[int, Field(ge=1, le=3600, strict=True)] = 300
    longest_seconds: Annotated[int, Field(ge=1, le=3600, strict=True)] = 3600


class Degraded(Strict):
    """What one process may give by itself while the store is away, in thousandths of each limit."""

    share_permille: Annotated[int, Field(ge=1, le=1000, strict=True)] = 100


class PolicyDocument(Strict):
    """The whole policy."""

    version: Version
    plans: Annotated[list[PlanName], Field(min_length=1)]
    default_plan: PlanName
    holds: Holds = Holds()
    degraded: Degraded = Degraded()
    penalties: PenaltyRules | None = None
    limits: Annotated[list[LimitRule], Field(min_length=1, max_length=64)]
    organisations: dict[str, dict[LimitId, Amount]] = Field(default_factory=dict)
    prices: PriceTable
    envoy: dict[DomainName, EnvoyDomain] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> PolicyDocument:
        repeated = [name for name, n in Counter(rule.id for rule in self.limits).items() if n > 1]
        if repeated:
            raise ValueError(f"limit ids must be unique: {', '.join(sorted(repeated))}")
        if self.default_plan not in self.plans:
            raise ValueError("default_plan must be one of plans")
        for rule in self.limits:
            self._check_plans(rule)
            unknown = {plan for case in rule.cases for plan in case.plans or ()} - set(self.plans)
            if unknown:
                raise ValueError(f"{rule.id}.cases: there is no plan {', '.join(sorted(unknown))}")
        rules = {rule.id: rule for rule in self.limits}
        for organisation, overrides in self.organisations.items():
            for limit_id, amount in overrides.items():
                if limit_id not in rules:
                    raise ValueError(f"organisations.{organisation}: there is no limit {limit_id}")
                check_amount(rules[limit_id], amount)
        return self

    @cached_property
    def label(self) -> str:
        """Which policy this is: its own version, that of the prices, and a digest, as a version may be forgotten."""
        digest = hashlib.blake2b(self.model_dump_json().encode(), digest_size=4).hexdigest()
        return f"{self.version}/{self.prices.version}/{digest}"

    def _check_plans(self, rule: LimitRule) -> None:
        for name, numbers in (("limit", rule.limit), ("burst", rule.burst)):
            if isinstance(numbers, dict) and set(numbers) != set(self.plans):
                raise ValueError(f"{rule.id}.{name}: one number for each of the plans {', '.join(self.plans)}")


def parse_policy(data: Any) -> PolicyDocument:
    """Checks a loaded document; raises `PolicyError` naming every wrong key."""
    try:
        return PolicyDocument.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'policy'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise PolicyError("; ".join(lines)) from None
