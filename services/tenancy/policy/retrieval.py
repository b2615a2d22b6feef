"""The filter under which rows of one type may be read, from the very policies that a check is decided by.

Row by row it chooses what a check would allow: some permit is true, every forbid is false, nothing fails. Where a
policy cannot be said as a filter the plan refuses the rows it could concern and is `partial`. It is never wider than
the check.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from services.tenancy.policy.filters import EVERY, NONE, Field, Filter, among, both, either, size
from services.tenancy.policy.model import Cause
from services.tenancy.policy.residual import residual
from services.tenancy.policy.terms import Node, Question

LARGEST = 4096
"""Conditions and values that a plan may have; more is refused, because a filter that is cut is another filter."""


class Reach(Enum):
    """What may be read. Whatever is not ORGANISATION or CONDITIONAL is nothing."""

    NOTHING = "nothing"
    ORGANISATION = "organisation"
    CONDITIONAL = "conditional"


@dataclass(frozen=True, slots=True)
class Plan:
    """`filter` holds the organisation, too; `partial`: a check may allow rows that it does not choose."""

    reach: Reach
    filter: Filter = NONE
    cause: Cause = Cause.NOT_PERMITTED
    partial: bool = False


def refused(cause: Cause, *, partial: bool = False) -> Plan:
    """Nothing may be read."""
    return Plan(Reach.NOTHING, NONE, cause, partial)


def plan(policies: Iterable[Node], question: Question) -> Plan:
    """`policies` are at least all that could concern rows of this type, in Cedar's JSON form."""
    permitted: Filter = NONE
    kept: Filter = EVERY
    partial = False
    for policy in policies:
        found = residual(policy, question)
        partial |= not found.exact
        if policy["effect"] == "permit":
            permitted = either(permitted, found.cond.true)
            if not found.exact and not found.safe:  # it could fail, and a failure refuses
                kept = both(kept, either(found.cond.true, found.cond.false))
        else:
            kept = both(kept, found.cond.false)
    chosen = both(permitted, kept)
    if chosen == NONE:
        return refused(Cause.NOT_PERMITTED, partial=partial)
    if size(chosen) > LARGEST:
        return refused(Cause.POLICY_ERROR, partial=True)
    own = among(Field.ORGANISATION, [question.organisation])
    reach = Reach.ORGANISATION if chosen == EVERY else Reach.CONDITIONAL
    return Plan(reach, both(own, chosen), Cause.NONE, partial)
