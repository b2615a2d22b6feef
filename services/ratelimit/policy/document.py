"""The policy as data: what an operator writes in `policies/ratelimit.yaml`, checked strictly before it is accepted."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.ratelimit.policy.model import Algorithm, Calendar, OnExceed, OnExpiry, OnStoreError, Subject, Unit

# Scripts count in doubles, which are exact to 2^53; every product they form stays below this.
EXACT = 2**52

LimitId = Annotated[str, Field(pattern=r"^[a-z0-9_.]+$", max_length=64)]
PlanName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Amount = Annotated[int, Field(ge=0, le=10**12, strict=True)]


class PolicyError(ValueError):
    """The document is not a policy; the text names every wrong key and is meant for the operator who wrote it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitRule(_Strict):
    """One limit as written: numbers may differ by plan."""

    id: LimitId
    subject: Subject
    unit: Unit
    window: Annotated[int, Field(ge=1, le=31 * 86_400, strict=True)] | Calendar
    algorithm: Algorithm
    limit: Amount | dict[PlanName, Amount]
    burst: Amount | dict[PlanName, Amount] | None = None
    on_exceed: OnExceed = OnExceed.THROTTLE
    on_store_error: OnStoreError = OnStoreError.CLOSED
    on_expiry: OnExpiry = OnExpiry.CHARGE
    mode: Literal["enforce", "observe"] = "enforce"

    @model_validator(mode="after")
    def _consistent(self) -> LimitRule:
        if (self.algorithm is Algorithm.CALENDAR) != isinstance(self.window, Calendar):
            raise ValueError("a calendar limit has the window day or month, any other has seconds")
        if self.burst is not None and self.algorithm is not Algorithm.GCRA:
            raise ValueError("only a gcra limit has a burst")
        if self.subject is Subject.ADDRESS and self.unit is not Unit.REQUESTS:
            raise ValueError("an address is counted in requests: nothing else is known before the credential")
        amounts = self.limit.values() if isinstance(self.limit, dict) else (self.limit,)
        for amount in amounts:
            check_amount(self, amount)
        return self


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


class PriceRule(_Strict):
    """Micro-USD per million tokens; 0 is a price, and means free."""

    input: Annotated[int, Field(ge=0, le=10**9, strict=True)]
    output: Annotated[int, Field(ge=0, le=10**9, strict=True)]


class PriceTable(_Strict):
    """Prices by model. A model that is not in it is never free."""

    version: Annotated[str, Field(min_length=1, max_length=32)]
    unknown_model: Literal["conservative", "deny"] = "conservative"
    models: Annotated[dict[str, PriceRule], Field(min_length=1)]


class Holds(_Strict):
    """How long reservations live, in seconds."""

    default_seconds: Annotated[int, Field(ge=1, le=3600, strict=True)] = 300
    longest_seconds: Annotated[int, Field(ge=1, le=3600, strict=True)] = 3600


class Degraded(_Strict):
    """What one process may give by itself while the store is away, in thousandths of each limit."""

    share_permille: Annotated[int, Field(ge=1, le=1000, strict=True)] = 100


class PolicyDocument(_Strict):
    """The whole policy."""

    version: Annotated[str, Field(min_length=1, max_length=32)]
    plans: Annotated[list[PlanName], Field(min_length=1)]
    default_plan: PlanName
    holds: Holds = Holds()
    degraded: Degraded = Degraded()
    limits: Annotated[list[LimitRule], Field(min_length=1, max_length=64)]
    organisations: dict[str, dict[LimitId, Amount]] = {}
    prices: PriceTable

    @model_validator(mode="after")
    def _consistent(self) -> PolicyDocument:
        repeated = [name for name, n in Counter(rule.id for rule in self.limits).items() if n > 1]
        if repeated:
            raise ValueError(f"limit ids must be unique: {', '.join(sorted(repeated))}")
        if self.default_plan not in self.plans:
            raise ValueError("default_plan must be one of plans")
        for rule in self.limits:
            self._check_plans(rule)
        rules = {rule.id: rule for rule in self.limits}
        for organisation, overrides in self.organisations.items():
            for limit_id, amount in overrides.items():
                if limit_id not in rules:
                    raise ValueError(f"organisations.{organisation}: there is no limit {limit_id}")
                check_amount(rules[limit_id], amount)
        return self

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
