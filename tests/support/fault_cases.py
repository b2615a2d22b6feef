"""What is broken on purpose, as data: the tests break it, and tools/failure_table.py writes it down.

A new stage, peer or store that is not listed here fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """How a peer or a store fails; the value is the word in the table."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    ERROR = "error"
    EMPTY = "empty"
    GARBAGE = "garbage"
    SLOW = "slow"


WORDS = {
    Fault.REFUSED: "the connection is refused or cut",
    Fault.TIMEOUT: "a peer says that its time is spent; a store never answers",
    Fault.ERROR: "it answers with an error of its own",
    Fault.EMPTY: "a peer answers with a message in which nothing is set",
    Fault.GARBAGE: "it answers with bytes that are no answer",
    Fault.SLOW: "it answers rightly, after the caller's time",
}
PEER_FAULTS = tuple(Fault)
STORE_FAULTS = (Fault.REFUSED, Fault.TIMEOUT, Fault.ERROR, Fault.GARBAGE, Fault.SLOW)


@dataclass(frozen=True, slots=True)
class Hop:
    """One question of a chain's stage to a service."""

    chain: str
    stage: str
    peer: str
    method: str

    def __str__(self) -> str:
        return f"{self.chain}-{self.stage}-{self.method}"


HOPS = (
    Hop("Admit", "address", "ratelimit", "DecideAddress"),
    Hop("Admit", "auth", "auth", "Authenticate"),
    Hop("Admit", "tenancy", "tenancy", "Authorize"),
    Hop("Admit", "ratelimit", "ratelimit", "Decide"),
    Hop("Admit", "guardrail", "guardrail", "InspectInput"),
    Hop("Admit", "redaction", "redaction", "Redact"),
    Hop("Admit", "context", "context-token", "Issue"),
    Hop("Admit", "admission", "auth", "OpenAdmission"),
    Hop("Complete", "admission", "auth", "Continue"),
    Hop("Complete", "output", "guardrail", "InspectOutput"),
    Hop("Complete", "restore", "redaction", "Restore"),
    Hop("AuthorizeToolCall", "admission", "auth", "Continue"),
    Hop("AuthorizeToolCall", "restore", "guardrail", "DescribeTool"),
    Hop("AuthorizeToolCall", "restore", "redaction", "Restore"),
    Hop("AuthorizeToolCall", "tool", "guardrail", "CheckToolCall"),
)
# Before a proxy the front of the chain is asked, in words of HTTP.
CHECK_HOPS = (
    Hop("Check", "address", "ratelimit", "DecideAddress"),
    Hop("Check", "auth", "auth", "Authenticate"),
    Hop("Check", "tenancy", "tenancy", "Authorize"),
    Hop("Check", "ratelimit", "ratelimit", "Decide"),
)
# The streamed way back asks the same stages; only what restores is a stream of its own.
STREAM_HOPS = (
    Hop("Complete", "admission", "auth", "Continue"),
    Hop("Complete", "output", "guardrail", "InspectOutput"),
    Hop("Complete", "restore", "redaction", "RestoreStream"),
)


@dataclass(frozen=True, slots=True)
class Inner:
    """What one service needs of another behind the gateway's back: asked in this chain, refused at this stage."""

    service: str
    peer: str
    method: str
    chain: str
    stage: str

    def __str__(self) -> str:
        return f"{self.service}-{self.peer}-{self.method}"


INNER = (
    Inner("auth", "tenancy", "ResolvePrincipal", "Admit", "auth"),
    Inner("auth", "context-token", "Redeem", "Admit", "auth"),
    Inner("context-token", "tenancy", "Authorize", "Admit", "context"),
    Inner("guardrail", "redaction", "Detect", "Complete", "output"),
    Inner("guardrail", "tenancy", "AuthorizeBatch", "AuthorizeToolCall", "restore"),
)


@dataclass(frozen=True, slots=True)
class Store:
    """A service's store: where it is needed, and the stage that refuses without it (empty: none does, and `seen` says
    what becomes of what was to be written). `lost`: Redis has lost the organisation's budgets at the same time."""

    service: str
    store: str
    chain: str
    stage: str
    seen: str = ""
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.service}-{self.store}" + ("-budgets-lost" if self.lost else "")


STORES = (
    Store("auth", "redis", "Admit", "auth"),
    Store("auth", "postgres", "Admit", "auth"),
    Store("tenancy", "postgres", "Admit", "auth"),
    Store("ratelimit", "redis", "Admit", "ratelimit"),
    Store("ratelimit", "postgres", "Admit", "", seen="charges wait in Redis, and are written down later"),
    Store("ratelimit", "postgres", "Admit", "ratelimit", lost=True),
    Store("redaction", "redis", "Admit", "redaction"),
    Store("redaction", "postgres", "Admit", "", seen="an organisation's rules that were read stay in force"),
    Store("context-token", "redis", "Admit", "context"),
    Store("guardrail", "postgres", "AuthorizeToolCall", "restore"),
    Store("audit", "postgres", "Admit", "", seen="the events arrive later"),
)

# What happens beside a decision: (who asks, whom, method, what is seen).
BESIDE = (
    (
        "gateway",
        "ratelimit",
        "Commit",
        "the answer is given, marked degraded; tried again, else the hold ends by its own rule",
    ),
    ("gateway", "ratelimit", "Release", "still refused; tried again, else the hold ends by its own rule"),
    ("every service", "audit", "Append", "decisions wait on disk; a change of who may do what is not made"),
)
