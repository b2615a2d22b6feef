"""What follows from a tool's risk, as data: policies/guardrail_tools.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.guardrail.policy import checked
from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.traits import Quota, Risk

_KEYS = frozenset({"conversation", "argument", "not_after", "quota"})
_QUOTA = frozenset({"admission", "conversation", "hour"})
_MOST = 100_000


class Step(StrEnum):
    """What taint leads to."""

    PASS = "pass"  # noqa: S105 - a word of the policy
    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class RiskRule:
    """For tools of one risk: `conversation` when any untrusted text is in sight, `argument` when it may decide one."""

    conversation: Step
    argument: Step
    not_after: tuple[str, ...]
    quota: Quota


@dataclass(frozen=True, slots=True)
class ToolRules:
    """The whole policy; an approval is asked for and given within `approval_seconds`."""

    version: str
    approval_seconds: int
    approvals_waiting: int
    risks: Mapping[Risk, RiskRule]


def parse_tool_rules(data: object) -> ToolRules:
    """Checks the policy; raises PolicyError with the key that is wrong. Every risk is spoken of."""
    document = checked.mapping(data, "tools")
    checked.only(document, frozenset({"version", "approval", "risks"}), "tools")
    approval = checked.mapping(document.get("approval"), "approval")
    checked.only(approval, frozenset({"seconds", "waiting"}), "approval")
    risks = checked.mapping(document.get("risks"), "risks")
    checked.only(risks, frozenset(risk.value for risk in Risk), "risks")
    return ToolRules(
        version=str(_whole(document.get("version"), "version", 1_000_000)),
        approval_seconds=_whole(approval.get("seconds"), "approval.seconds", 86_400),
        approvals_waiting=_whole(approval.get("waiting"), "approval.waiting", 1_000),
        risks={risk: _rule(risks.get(risk.value), f"risks.{risk.value}") for risk in Risk},
    )


def _rule(value: object, key: str) -> RiskRule:
    entry = checked.mapping(value, key)
    checked.only(entry, _KEYS, key)
    quota = checked.mapping(entry.get("quota"), f"{key}.quota")
    checked.only(quota, _QUOTA, f"{key}.quota")
    return RiskRule(
        conversation=_step(entry.get("conversation"), f"{key}.conversation"),
        argument=_step(entry.get("argument"), f"{key}.argument"),
        not_after=checked.names(entry.get("not_after", []), f"{key}.not_after"),
        quota=Quota(
            *(_whole(quota.get(name), f"{key}.quota.{name}", _MOST) for name in ("admission", "conversation", "hour"))
        ),
    )


def _step(value: Any, key: str) -> Step:
    try:
        return Step(value)
    except ValueError:
        raise PolicyError(f"{key}: pass, approve or deny is needed") from None


def _whole(value: object, key: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise PolicyError(f"{key}: a whole number from 1 to {most} is needed")
    return value
