"""What of an event is about a person, and whose key it is sealed under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.audit.policy.canonical import written
from services.audit.policy.catalogue import EventType
from services.audit.policy.model import Record

KEY_PREFIX = "sk_"
FACT = "facts."
# Kinds of workloads whose name is the kind alone; all others have a stroke in it, which no user's id has.
_WORKLOADS = frozenset(
    ("gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail", "context-token", "audit", "operator")
) | {"withheld"}
Parts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Split:
    """An event without what is personal, and that by subject. `subject` is the actor's, when it is a person."""

    public: Record
    parts: Parts
    subject: str = ""


def is_person(actor: str) -> bool:
    """Whether an actor is a user; a workload is nobody's personal data."""
    return bool(actor) and "/" not in actor and actor not in _WORKLOADS


def nobody(at_us: int) -> str:
    """The subject of what cannot be told to be anybody's, like the address of a failed credential: that month's. No
    user's id begins like this."""
    return "~" + written(at_us)[:7]


def split(record: Record, kind: EventType) -> Split:
    """Takes apart what is personal."""
    subject = record.actor if is_person(record.actor) else ""
    own = subject or nobody(record.at_us)
    parts: dict[str, dict[str, str]] = {}
    fields = {"actor": subject, "client_address": record.client_address, "user_agent": record.user_agent}
    facts: list[tuple[str, str]] = []
    for name, value in record.facts:
        if not value:
            facts.append((name, value))
        elif name in kind.people:
            parts.setdefault(value, {})[FACT + name] = value
        elif name in kind.facts:
            facts.append((name, value))
        else:
            fields[FACT + name] = value
    if any(fields.values()):
        parts.setdefault(own, {}).update({name: value for name, value in fields.items() if value})
    actor = "" if subject else record.actor
    public = replace(record, actor=actor, client_address="", user_agent="", facts=tuple(facts), sealed=())
    return Split(public, parts, subject)


def merged(public: Record, opened: Mapping[str, str]) -> Record:
    """The event again, as far as its personal fields could be opened."""
    facts = [*public.facts, *((name[len(FACT) :], value) for name, value in opened.items() if name.startswith(FACT))]
    return replace(
        public,
        facts=tuple(sorted(facts)),
        actor=opened.get("actor", public.actor),
        client_address=opened.get("client_address", public.client_address),
        user_agent=opened.get("user_agent", public.user_agent),
    )
