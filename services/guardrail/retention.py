"""What guardrail keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Rows

OWNED = Owned(
    "guardrail",
    rows=(
        # Quotas look back an hour, what a conversation has seen as far as it goes.
        Rows("guardrail.calls", "tool calls, from when they were made", least_days=1),
        Rows("guardrail.approvals", "approvals of tool calls, from their end on, used or not", least_days=1),
    ),
    kept={
        "guardrail.tools": "the tools of an organisation; a call names the definition that it was approved with",
        "guardrail.policies": "settings of an organisation, until it changes them",
    },
)
