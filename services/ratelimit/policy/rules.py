"""Parts of the policy document: amounts that depend on what is known of a caller, and penalties."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ratelimit.policy.calendars import zone_of
from services.ratelimit.policy.model import Identity, Penalties, Step
from services.ratelimit.policy.penalties import KindName, KindRule, NearQueries

Amount = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Seconds = Annotated[int, Field(ge=1, le=366 * 86_400, strict=True)]
Score = Annotated[int, Field(ge=1, le=1000, strict=True)]
_Hour = Annotated[int, Field(ge=0, le=24, strict=True)]
_DAY = 86_400
_THOUSANDTH = 1000  # scores are written in thousandths and counted in millionths


class Strict(BaseModel):
    """What is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hours(Strict):
    """Working hours in the brand's zone: whole hours, Monday 1 to Sunday 7."""

    begin: _Hour
    end: _Hour
    weekdays: list[Annotated[int, Field(ge=1, le=7, strict=True)]] = [1, 2, 3, 4, 5]

    @model_validator(mode="after")
    def _consistent(self) -> Hours:
        if self.begin >= self.end:
            raise ValueError("hours: begin comes before end")
        return self

    def hold(self, zone: str, now: float) -> bool:
        """True within them."""
        there = datetime.fromtimestamp(now, tz=zone_of(zone))
        return self.begin <= there.hour < self.end and there.isoweekday() in self.weekdays


class Case(Strict):
    """Another amount for callers of whom all of this is true. Cases are tried in order, the first that holds counts.

    `score_below` (thousandths) is judged by the script that counts: until then the amount of the next case is the one
    that holds, so such a case may only raise it.
    """

    plans: list[str] | None = None
    account_days: Annotated[int, Field(ge=0, le=36_500, strict=True)] | None = None
    score_below: Score | None = None
    hours: Hours | None = None
    limit: Amount

    def holds(self, identity: Identity, plan: str, now: float) -> bool:
        """Whether all of it but the score is true. An account of unknown age is new."""
        if self.plans is not None and plan not in self.plans:
            return False
        if self.account_days is not None:
            born = identity.account_created
            if born <= 0 or now - born < self.account_days * _DAY:
                return False
        return self.hours is None or self.hours.hold(identity.zone, now)


class LevelRule(Strict):
    """From which score (thousandths) a level stands, and for how long."""

    score: Score
    seconds: Seconds


class WeighingRule(LevelRule):
    """A level that makes each request count several times."""

    weight: Annotated[int, Field(ge=1, le=1000, strict=True)]


class SuspendRule(LevelRule):
    """The last level: each suspension is twice as long as the one before."""

    longest_seconds: Seconds = _DAY
    forgiven_seconds: Seconds = _DAY


class PenaltyRules(Strict):
    """How abuse is counted against an address, a key or a user of a brand; never against what many share."""

    mode: Literal["enforce", "observe"] = "observe"
    half_life_seconds: Annotated[int, Field(ge=60, le=30 * _DAY, strict=True)]
    refusal: Annotated[int, Field(ge=0, le=1000, strict=True)]
    warn: LevelRule
    slow: WeighingRule
    limit: WeighingRule
    suspend: SuspendRule
    kinds: Annotated[dict[KindName, KindRule], Field(max_length=32)] = {}
    near_queries: NearQueries | None = None

    @model_validator(mode="after")
    def _consistent(self) -> PenaltyRules:
        scores = [rule.score for rule in (self.warn, self.slow, self.limit, self.suspend)]
        if scores != sorted(set(scores)):
            raise ValueError("penalties: each level begins at a higher score than the one before")
        if self.suspend.longest_seconds < self.suspend.seconds:
            raise ValueError("penalties: suspend.longest_seconds is not below suspend.seconds")
        return self

    def compiled(self) -> Penalties:
        """As the scripts count."""
        levels = (self.warn, self.slow, self.limit, self.suspend)
        one, two, three, four = (Step(rule.score * _THOUSANDTH, rule.seconds * 1000) for rule in levels)
        return Penalties(
            half_life_ms=self.half_life_seconds * 1000,
            strike=self.refusal * _THOUSANDTH,
            enforced=self.mode == "enforce",
            longest_ms=self.suspend.longest_seconds * 1000,
            forgiven_ms=self.suspend.forgiven_seconds * 1000,
            slow_weight=self.slow.weight,
            limit_weight=self.limit.weight,
            steps=(one, two, three, four),
        )
