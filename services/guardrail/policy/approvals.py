"""Approvals of single calls: what one is bound to, and who may give it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from services.guardrail.policy import strict_json
from services.guardrail.policy.traits import Approver
from services.kit.caller import Caller


class State(StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    USED = "used"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Call:
    """Exactly one call of one user."""

    tool: str
    definition_hash: str
    arguments_sha256: str
    conversation: str

    def digest(self, caller: Caller) -> str:
        """What an approval is bound to; another of these facts is another call."""
        facts = {
            "actor": caller.actor,
            "arguments": self.arguments_sha256,
            "brand": caller.brand,
            "conversation": self.conversation,
            "definition": self.definition_hash,
            "organisation": caller.organisation,
            "tool": self.tool,
            "user": caller.subject,
        }
        return hashlib.sha256(strict_json.canonical(facts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Approval:
    """As kept (times are unix seconds); `sealed` are the arguments, empty when nobody needs to read them any more."""

    id: str
    state: State
    call: Call
    digest: str
    user: str
    brand: str
    reason: str
    approver: Approver
    requested_at: float
    expires_at: float
    decided_by: str = ""
    sealed: bytes = b""
    arguments: str = ""


def may_decide(approval: Approval, subject: str) -> bool:
    """Where somebody else must look, nobody approves a call of their own."""
    return approval.approver is Approver.ANY_USER or approval.user != subject
