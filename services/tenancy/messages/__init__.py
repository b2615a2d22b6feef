"""Between the messages of the contract and the types of the core."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.tenancy.messages.directory import time_of
from services.tenancy.policy import Cause, Decision, Resolved
from services.tenancy.ports import Difference, PolicyVersion, Use

REASONS = {
    Cause.NONE: common.REASON_NONE,
    Cause.ORGANISATION_SUSPENDED: common.REASON_ORGANISATION_SUSPENDED,
    Cause.NOT_PERMITTED: common.REASON_NOT_PERMITTED,
    Cause.POLICY_ERROR: common.REASON_POLICY_ERROR,
    Cause.STEP_UP_REQUIRED: common.REASON_STEP_UP_REQUIRED,
}
_USES = {
    Use.KEPT: pb.POLICY_USE_UNSPECIFIED,
    Use.ENFORCED: pb.POLICY_USE_ENFORCE,
    Use.TRIED: pb.POLICY_USE_TRY,
}
_MAX_POLICIES = 64


def answer(decision: Decision, version: str, *, explain: bool) -> pb.AuthorizeResponse:
    """A decision; the names of policies only for who may see them."""
    return pb.AuthorizeResponse(
        outcome=outcome(decision),
        reason=REASONS[decision.cause],
        policies=decision.policies[:_MAX_POLICIES] if explain else (),
        policy_version=version,
    )


def outcome(decision: Decision) -> common.Outcome.ValueType:
    """ALLOW or DENY."""
    return common.OUTCOME_ALLOW if decision.allowed else common.OUTCOME_DENY


def resolved(found: Resolved) -> pb.ResolvePrincipalResponse:
    """A principal; nothing but the reason when it is refused."""
    message = pb.ResolvePrincipalResponse(outcome=outcome(found.decision), reason=REASONS[found.decision.cause])
    if found.decision.allowed:
        message.brand, message.plan, message.zone = found.brand, found.plan, found.zone
        message.roles.extend(found.roles)
        message.account_created_at.CopyFrom(time_of(found.joined_at))
    return message


def policy_version(facts: PolicyVersion) -> pb.PolicyVersion:
    """A version of an organisation's own policies; number 0 is none."""
    message = pb.PolicyVersion(version=facts.number, policies=facts.policies, digest=facts.digest)
    message.use = _USES[facts.use]
    if facts.created_at:
        message.created_at.CopyFrom(time_of(facts.created_at))
    return message


def policy_difference(found: Difference) -> pb.PolicyDifference:
    """What a trial counted of one kind of question."""
    return pb.PolicyDifference(
        action=found.action,
        resource_type=found.resource_type,
        asked=found.asked,
        would_refuse=found.would_refuse,
        would_allow=found.would_allow,
    )
