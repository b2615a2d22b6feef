"""Whether a call that is well formed and permitted may be made now: by what was done before, and whose words it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from services.guardrail.policy.arguments import Marked
from services.guardrail.policy.definition import EGRESS
from services.guardrail.policy.taint import Taint
from services.guardrail.policy.tool_rules import RiskRule, Step, ToolRules
from services.guardrail.policy.traits import Traits


class Why(Enum):
    """What stands against a call."""

    NONE = "none"
    QUOTA = "quota"
    SEQUENCE = "sequence"
    TAINTED = "tainted"
    NEEDS_APPROVAL = "needs_approval"


@dataclass(frozen=True, slots=True)
class Past:
    """Calls of this user that were allowed: of this tool by span, of any tool in the admission, and their labels."""

    admission: int = 0
    conversation: int = 0
    hour: int = 0
    others: int = 0
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ruling:
    """`step` is what is enforced; with `observed` the call passes and `why` says what would have been."""

    step: Step = Step.PASS
    why: Why = Why.NONE
    words: str = ""
    observed: bool = False


PASSES = Ruling()


def rule(traits: Traits, rules: ToolRules, past: Past, taint: Taint, marked: Sequence[Marked]) -> Ruling:
    """The first thing that stands against it; what no approval can help comes first."""
    of_risk = rules.risks[traits.risk]
    if past.others:  # what the tools of this admission answered was never inspected
        taint = taint.after_a_tool()
    tainted = _tainted(of_risk, taint, marked)
    found = [
        tainted if tainted.step is Step.DENY else PASSES,
        _sequence(traits, of_risk, past),
        _quota(traits, of_risk, past),
        tainted,
    ]
    against = next((each for each in found if each.step is not Step.PASS), PASSES)
    if traits.observes and against.step is not Step.PASS:
        against = Ruling(Step.PASS, against.why, observed=True)
    if traits.needs_approval and against.step is Step.PASS:  # a rule of the tool itself: nothing is only observed
        return Ruling(Step.APPROVE, Why.NEEDS_APPROVAL, "Every call of this tool is approved by a person first.")
    return against


def _sequence(traits: Traits, of_risk: RiskRule, past: Past) -> Ruling:
    if past.labels.isdisjoint((*traits.not_after, *of_risk.not_after)):
        return PASSES
    words = "After an earlier call of this conversation this tool may not be called in it any more."
    return Ruling(Step.DENY, Why.SEQUENCE, words)


def _quota(traits: Traits, of_risk: RiskRule, past: Past) -> Ruling:
    quota = traits.quota.over(of_risk.quota)
    spans = (
        (past.admission, quota.admission, "for this request"),
        (past.conversation, quota.conversation, "in this conversation"),
        (past.hour, quota.hour, "within an hour"),
    )
    for made, most, span in spans:
        if made >= most:
            return Ruling(Step.DENY, Why.QUOTA, f"This tool may be called {most} times {span}, which it was.")
    return PASSES


def _tainted(of_risk: RiskRule, taint: Taint, marked: Sequence[Marked]) -> Ruling:
    for each in marked if of_risk.argument is not Step.PASS else ():
        stained = taint.stained(each.value) if each.mark == EGRESS else not taint.vouched(each.value)
        if stained:
            words = f"{each.pointer or '/'}: this did not come from the user. Use what the user said."
            return Ruling(of_risk.argument, Why.TAINTED, words)
    if taint.tainted and of_risk.conversation is not Step.PASS:
        words = "This tool needs a person's approval once other texts than the user's are in the conversation."
        return Ruling(of_risk.conversation, Why.TAINTED, words)
    return PASSES
