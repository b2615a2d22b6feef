"""Between the contract's messages and plain values, for the inspection of texts."""

from __future__ import annotations

import json
from typing import Any

from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from services.guardrail.output import Piece, Released
from services.guardrail.policy.answers import Check, Looked, Skip
from services.guardrail.policy.choices import Mode
from services.guardrail.policy.learned import Budget

MODES = {
    Mode.BLOCK: pb.GUARD_MODE_BLOCK,
    Mode.REDACT: pb.GUARD_MODE_REDACT,
    Mode.FLAG: pb.GUARD_MODE_FLAG,
    Mode.OBSERVE: pb.GUARD_MODE_OBSERVE,
}
_BUDGETS = {
    Budget.LEAST: pb.FALSE_POSITIVE_BUDGET_LEAST,
    Budget.LOW: pb.FALSE_POSITIVE_BUDGET_LOW,
    Budget.USUAL: pb.FALSE_POSITIVE_BUDGET_USUAL,
    Budget.WIDE: pb.FALSE_POSITIVE_BUDGET_WIDE,
}
_CHECKS = {
    Check.CANARY: pb.OUTPUT_CHECK_KIND_CANARY,
    Check.PROMPT: pb.OUTPUT_CHECK_KIND_PROMPT,
    Check.SECRETS: pb.OUTPUT_CHECK_KIND_SECRETS,
    Check.LINKS: pb.OUTPUT_CHECK_KIND_LINKS,
    Check.HIDDEN: pb.OUTPUT_CHECK_KIND_HIDDEN,
    Check.PERSONAL_DATA: pb.OUTPUT_CHECK_KIND_PERSONAL_DATA,
    Check.IDENTIFIERS: pb.OUTPUT_CHECK_KIND_IDENTIFIERS,
}
_SKIPS = {
    None: pb.OUTPUT_SKIP_UNSPECIFIED,
    Skip.NOT_GIVEN: pb.OUTPUT_SKIP_NOT_GIVEN,
    Skip.TOO_SHORT: pb.OUTPUT_SKIP_TOO_SHORT,
    Skip.NOT_DECLARED: pb.OUTPUT_SKIP_NOT_DECLARED,
    Skip.WITHHELD_BEFORE: pb.OUTPUT_SKIP_WITHHELD_BEFORE,
    Skip.TOO_LARGE: pb.OUTPUT_SKIP_TOO_LARGE,
}


def piece(request: pb.InspectOutputRequest) -> Piece:
    """What is to be inspected."""
    return Piece(
        request.conversation,
        request.text,
        request.preceding,
        request.prompt_prints,
        request.prompt_seen,
        request.prompt_version,
    )


def released(seen: Released) -> pb.InspectOutputResponse:
    """What became of it, without findings."""
    reason = common.REASON_PERSONAL_DATA_REPLACED if seen.removed else common.REASON_NONE
    action = pb.RELEASE_ACTION_REDACT if seen.edits else pb.RELEASE_ACTION_PASS
    if seen.withheld:
        reason = common.REASON_TOO_LARGE if seen.too_large else common.REASON_OUTPUT_WITHHELD
        action = pb.RELEASE_ACTION_WITHHOLD
    return pb.InspectOutputResponse(
        outcome=common.OUTCOME_DENY if seen.withheld else common.OUTCOME_ALLOW,
        reason=reason,
        text=seen.text,
        removed=seen.removed,
        policy_version=seen.version[:64],
        action=action,
        checks=[_check(looked) for looked in seen.looked],
        prompt_seen=seen.prompt_seen,
    )


def facts(looked: tuple[Looked, ...]) -> dict[str, str]:
    """For the audit event of a direct call: what ran, over how many characters, what did not and why."""
    ran = [each for each in looked if each.skipped is None]
    missing = {
        why.value: ".".join(each.check.value for each in looked if each.skipped is why)
        for why in Skip
        if any(each.skipped is why for each in looked)
    }
    return {
        "checked": "+".join(each.check.value for each in ran),
        "checked_characters": str(max((each.characters for each in ran), default=0)),
        "not_checked": "+".join(f"{why}:{checks}" for why, checks in missing.items()),
    }


def document(policy: pb.GuardPolicy) -> str:
    """A policy as it is stored."""
    data: dict[str, Any] = {}
    if policy.mode:
        data["mode"] = next(mode.value for mode, value in MODES.items() if value == policy.mode)
    if policy.false_positives:
        data["false_positives"] = next(
            budget.value for budget, value in _BUDGETS.items() if value == policy.false_positives
        )
    if policy.allow:
        data["allow"] = [{"phrase": each.phrase, "until": each.until} for each in policy.allow]
    if policy.link_hosts:
        data["link_hosts"] = list(policy.link_hosts)
    if policy.identifiers:
        data["identifiers"] = [
            {"type": each.type, "action": each.action, "pattern": each.pattern} for each in policy.identifiers
        ]
    return json.dumps(data, ensure_ascii=False, sort_keys=True)


def policy(stored: str) -> pb.GuardPolicy:
    """A stored policy as the contract says it."""
    data = json.loads(stored)
    return pb.GuardPolicy(
        mode=MODES[Mode(data["mode"])] if "mode" in data else pb.GUARD_MODE_UNSPECIFIED,
        false_positives=_BUDGETS[Budget(data["false_positives"])]
        if "false_positives" in data
        else pb.FALSE_POSITIVE_BUDGET_UNSPECIFIED,
        allow=[pb.AllowedPhrase(phrase=each["phrase"], until=each["until"]) for each in data.get("allow", [])],
        link_hosts=data.get("link_hosts", []),
        identifiers=[
            pb.IdentifierShape(type=each["type"], action=each["action"], pattern=each["pattern"])
            for each in data.get("identifiers", [])
        ],
    )


def _check(looked: Looked) -> pb.OutputCheck:
    return pb.OutputCheck(kind=_CHECKS[looked.check], characters=looked.characters, skipped=_SKIPS[looked.skipped])
