"""What was decided, as plain data. Only ALLOW is true: `if decision:` is safe, whatever else a service may answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hauberk.common.v1 import decision_pb2 as common

from hauberk_client.calls import Undecided


def outcome_name(outcome: common.Outcome.ValueType) -> str:
    """`ALLOW`, `DENY` and so on; `UNKNOWN` for what this version does not know."""
    return common.Outcome.Name(outcome).removeprefix("OUTCOME_") if outcome in common.Outcome.values() else "UNKNOWN"


def reason_name(reason: common.Reason.ValueType) -> str:
    """As `outcome_name`, of a reason."""
    return common.Reason.Name(reason).removeprefix("REASON_") if reason in common.Reason.values() else "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer: allowed or not, why, and what the user may be told."""

    outcome: str
    reason: str
    reply: str = ""
    degraded: bool = False
    txn: str = ""
    trace_id: str = ""
    verdicts: tuple[tuple[str, str, str], ...] = ()  # stage, outcome, reason

    @property
    def allowed(self) -> bool:
        """True for ALLOW and nothing else."""
        return self.outcome == "ALLOW"

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, kw_only=True)
class Admission(Decision):
    """Of `admit`. Refused, it holds nothing for a model."""

    messages: tuple[str, ...] = field(default=(), repr=False)
    handle: str = field(default="", repr=False)
    canary: str = field(default="", repr=False)
    context_token: str = field(default="", repr=False)
    context: bytes = field(default=b"", repr=False)
    retry_after: float | None = None
    decided_by: str = ""
    header_fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer(Decision):
    """Of `complete`: the text as its owner may see it; empty when refused, and for a stream that was shown."""

    text: str = field(default="", repr=False)
    restored: int = 0
    micro_usd: int = 0


@dataclass(frozen=True, kw_only=True)
class ToolCall(Decision):
    """Of `authorize_tool_call`: execute these very arguments, or nothing."""

    arguments: str = field(default="", repr=False)
    repair: str = field(default="", repr=False)
    approval: str = ""
    definition_hash: str = ""


def _common(answer: Any) -> dict[str, Any]:
    verdicts = tuple((v.stage, outcome_name(v.outcome), reason_name(v.reason)) for v in answer.verdicts)
    return {
        "outcome": outcome_name(answer.outcome),
        "reason": reason_name(answer.reason),
        "reply": answer.safe_reply.text,
        "degraded": answer.degraded,
        "txn": answer.txn,
        "trace_id": answer.trace_id,
        "verdicts": verdicts,
    }


def admission(answer: Any) -> Admission:
    """What an AdmitResponse says."""
    told = _common(answer)
    told["header_fields"] = dict(answer.header_fields)
    told["decided_by"] = answer.decided_by
    if answer.outcome != common.OUTCOME_ALLOW:
        wait = answer.retry_after.ToMilliseconds() / 1000 if answer.HasField("retry_after") else None
        return Admission(retry_after=wait, **told)
    return Admission(
        messages=tuple(message.text for message in answer.messages),
        handle=answer.admission,
        canary=answer.canary,
        context_token=answer.context_token,
        context=answer.context,
        **told,
    )


def completed(answer: Any) -> Answer:
    """What a CompleteResponse says."""
    told = _common(answer) | {"micro_usd": answer.micro_usd}
    if answer.outcome != common.OUTCOME_ALLOW:
        return Answer(**told)
    return Answer(text=answer.text, restored=answer.restored, **told)


def tool_call(answer: Any) -> ToolCall:
    """What an AuthorizeToolCallResponse says; Undecided when its digest is not that of its arguments."""
    told = _common(answer) | {"definition_hash": answer.definition_hash}
    if answer.outcome != common.OUTCOME_ALLOW:
        return ToolCall(repair=answer.repair, approval=answer.approval, **told)
    if hashlib.sha256(answer.arguments_json.encode()).hexdigest() != answer.arguments_sha256:
        raise Undecided("INTERNAL", "DIGEST_MISMATCH")
    return ToolCall(arguments=answer.arguments_json, **told)
