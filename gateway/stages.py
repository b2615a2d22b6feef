"""Stages as data: a name, what must have run before it, what happens when it cannot decide, and its share of the time.

The chain is checked when the process starts: unknown names, missing or circular prerequisites are start-up errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class OnFailure(StrEnum):
    """What a stage's failure to decide means."""

    CLOSED = "closed"  # refused
    OPEN = "open"  # passed, marked degraded


class ChainError(ValueError):
    """The chain cannot run as configured: the process does not start."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `share` is the part of the caller's deadline that it may use, 0 to 1."""

    name: str
    service: str
    needs: tuple[str, ...]
    on_failure: OnFailure
    share: float
    decides: str


# Order of this list is the order of the verdicts. Stages whose needs are met run concurrently.
STAGES = (
    Stage(
        "address",
        "ratelimit",
        (),
        OnFailure.OPEN,  # ratelimit itself falls back to a local share; the closed stage of the same service follows
        0.2,
        "client address and /64, before any credential is looked at; over its limit: challenge",
    ),
    Stage(
        "auth",
        "auth",
        ("address",),
        OnFailure.CLOSED,
        0.4,
        "credential, origin, challenge, revocation; mints the transaction token",
    ),
    Stage("tenancy", "tenancy", ("auth",), OnFailure.CLOSED, 0.3, "membership, brand, permission (Cedar)"),
    Stage(
        "ratelimit",
        "ratelimit",
        ("tenancy",),
        OnFailure.CLOSED,  # single limits declare their own fallback inside the service
        0.3,
        "all limits and budgets of the tenant at once; reserves tokens and money",
    ),
    Stage(
        "guardrail",
        "guardrail",
        ("ratelimit",),
        OnFailure.CLOSED,
        0.6,
        "prompt injection, jailbreak, hidden text, by source of each part",
    ),
    Stage(
        "redaction",
        "redaction",
        ("ratelimit",),
        OnFailure.CLOSED,
        0.6,
        "personal data out, placeholders in; the mapping is sealed for the conversation",
    ),
    Stage(
        "context",
        "context-token",
        ("guardrail", "redaction"),
        OnFailure.CLOSED,
        0.3,
        "a signed context token for the next brand, when asked for",
    ),
    Stage(
        "admission",
        "auth",
        ("ratelimit", "guardrail", "redaction", "context"),
        OnFailure.CLOSED,
        0.3,
        "records the admission, bound to the calling workload, for as long as the reservation lives",
    ),
)

# On the way back. Settling the reservation is not a stage: it happens whatever these decide.
COMPLETE_STAGES = (
    Stage("admission", "auth", (), OnFailure.CLOSED, 0.4, "the admission, its holder and its epochs, once more"),
    Stage(
        "output", "guardrail", ("admission",), OnFailure.CLOSED, 0.6, "canary, leaked data, exfiltration in the answer"
    ),
    Stage("restore", "redaction", ("output",), OnFailure.CLOSED, 0.4, "the caller's own values back into the answer"),
)

TOOL_CALL_STAGES = (
    Stage("admission", "auth", (), OnFailure.CLOSED, 0.4, "the admission, its holder and its epochs, once more"),
    Stage(
        "restore", "redaction", ("admission",), OnFailure.CLOSED, 0.5, "the caller's own values back, by type and sink"
    ),
    Stage(
        "tool",
        "guardrail",
        ("restore",),
        OnFailure.CLOSED,
        0.6,
        "the tool, its arguments and what its user may do, as if the user had called",
    ),
)

# Before a request that passes a proxy: the same first stages, within the proxy's 200 ms.
EDGE_STAGES = (
    Stage(
        "address",
        "ratelimit",
        (),
        OnFailure.OPEN,
        0.3,
        "client address and /64, before any credential is looked at; over its limit: challenge",
    ),
    Stage("auth", "auth", ("address",), OnFailure.CLOSED, 0.6, "credential, origin, challenge, revocation"),
    Stage("tenancy", "tenancy", ("auth",), OnFailure.CLOSED, 0.5, "membership, brand, permission (Cedar)"),
    Stage("ratelimit", "ratelimit", ("tenancy",), OnFailure.CLOSED, 0.5, "all limits of the tenant: one request"),
)

# For a caller who was let in from the same address a moment ago: its own limits are asked every time, where they count.
EDGE_AGAIN = (replace(EDGE_STAGES[3], needs=()),)

CHAINS = {
    "Admit": STAGES,
    "Complete": COMPLETE_STAGES,
    "AuthorizeToolCall": TOOL_CALL_STAGES,
    "Check": EDGE_STAGES,
}


def check_chain(stages: Iterable[Stage], runnable: Iterable[str]) -> None:
    """Raises ChainError when a stage has no implementation, stands twice, or can never have its needs met."""
    stages = tuple(stages)
    names = [stage.name for stage in stages]
    known = set(runnable)
    for stage in stages:
        if names.count(stage.name) > 1:
            raise ChainError(f"stage {stage.name} stands twice")
        if stage.name not in known:
            raise ChainError(f"stage {stage.name} is unknown; known are {', '.join(sorted(known))}")
        missing = [need for need in stage.needs if need not in names]
        if missing:
            raise ChainError(f"stage {stage.name} needs {', '.join(missing)}, which the chain does not have")
        if not 0 < stage.share <= 1:
            raise ChainError(f"stage {stage.name}: share {stage.share} is not in (0, 1]")
    done: set[str] = set()
    while len(done) < len(stages):
        ready = {stage.name for stage in stages if stage.name not in done and set(stage.needs) <= done}
        if not ready:
            rest = ", ".join(name for name in names if name not in done)
            raise ChainError(f"stages {rest} wait for one another")
        done |= ready
