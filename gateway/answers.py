"""What every answer of the gateway has in common: verdicts, the refusal, the note on the trace."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from opentelemetry import trace

from gateway.pipeline import ALLOW, Ran, Result
from gateway.stages import Stage
from services.kit.telemetry import Attr
from services.kit.telemetry.attributes import put
from services.kit.telemetry.tracing import decided


@dataclass(frozen=True, slots=True)
class Decision:
    """What a chain came to. `decided_by` names the stage that refused; `retry_after` in seconds."""

    outcome: decision.Outcome.ValueType
    reason: decision.Reason.ValueType
    decided_by: str
    retry_after: float
    degraded: bool

    @property
    def allowed(self) -> bool:
        """True only when every stage allowed."""
        return self.outcome == ALLOW


def decision_of(stages: Sequence[Stage], ran: Sequence[Ran]) -> Decision:
    """Allowed only when every stage of the chain ran and allowed; else what the refusing stage said."""
    degraded = any(one.result.degraded for one in ran)
    refused = next((one for one in ran if not one.result.allowed), None)
    if refused is None and len(ran) == len(stages):
        return Decision(ALLOW, decision.REASON_NONE, "", 0.0, degraded)
    stage, result = (refused.stage, refused.result) if refused else ("", Result())
    outcome = result.outcome if result.outcome not in (decision.OUTCOME_UNSPECIFIED, ALLOW) else decision.OUTCOME_DENY
    return Decision(outcome, result.reason, stage, result.retry_after, degraded)


def verdicts(stages: Iterable[Stage], ran: Sequence[Ran]) -> list[decision.Verdict]:
    """One verdict per stage, in the chain's order; those that never ran say so."""
    by_stage = {one.stage: one for one in ran}
    return [_verdict(stage.name, by_stage.get(stage.name)) for stage in stages]


def _verdict(name: str, one: Ran | None) -> decision.Verdict:
    if one is None:
        return decision.Verdict(stage=name, reason=decision.REASON_NOT_REACHED)
    result = one.result
    verdict = decision.Verdict(stage=name, outcome=result.outcome, reason=result.reason, degraded=result.degraded)
    verdict.observed = result.observed
    verdict.duration.FromNanoseconds(round(one.seconds * 1e9))
    return verdict


def note(made: Decision) -> None:
    """Puts the decision on the current span: a refusal is always exported."""
    outcome = decision.Outcome.Name(made.outcome).removeprefix("OUTCOME_")
    decided(outcome, decision.Reason.Name(made.reason).removeprefix("REASON_"), degraded=made.degraded)
    put(trace.get_current_span(), {Attr.DECIDED_BY: made.decided_by})


def header_fields(limits: Mapping[str, str], made: Decision) -> dict[str, str]:
    """Fields for an HTTP response: what the rate limiter said, and when to come back, whichever stage refused."""
    fields = {name: value for name, value in limits.items() if name != "Retry-After"}
    if not made.allowed and made.retry_after > 0:
        fields["Retry-After"] = str(math.ceil(made.retry_after))
    return fields


def time_left(penalty: ratelimit.Penalty | None, now: float) -> float:
    """Seconds until it ends, for the words to a user; 0 when none stands."""
    return max(0.0, penalty.until.ToMicroseconds() / 1e6 - now) if penalty is not None else 0.0


def trace_id() -> str:
    """The current trace, hex; empty when there is none."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
