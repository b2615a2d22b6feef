"""What may be put on record: every event by its stable code, with its class, its facts and which of them name people.

An event that is not listed is refused. A fact that is not listed is kept, but sealed like a personal one: what nobody
described may name somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CRITICAL, DECISION, DEBUG = "critical", "decision", "debug"
PERSONAL = ("actor", "client_address", "user_agent")
"""Fields of every event that are about a person; beside them the facts that an event's type names."""

API_ACTIVITY, AUTHENTICATION, AUTHORIZE = 6003, 3002, 3003
"""Classes of the Open Cybersecurity Schema Framework that an event is exported as."""

CALL = ("workload", "target", "session", "status", "error")
"""Facts of every direct call of a service."""
CHANGE = (*CALL, "about", "fields")
"""Facts of a call that changes who may do what."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event."""

    code: str
    classes: frozenset[str]
    facts: frozenset[str]
    people: frozenset[str] = frozenset()
    ocsf: int = API_ACTIVITY


Catalogue = Mapping[str, EventType]


def event_type(
    code: str, classes: str, facts: Iterable[str], people: Iterable[str] = (), ocsf: int = API_ACTIVITY
) -> EventType:
    """`classes` are words; `people` are facts whose value is a user's id, and facts as well."""
    known = frozenset(people)
    return EventType(code, frozenset(classes.split()), frozenset(facts) | known, known, ocsf)


_GATEWAY = ("workload", "decided_by", "degraded", "key", "session")
_LOOKED = ("checked", "checked_characters", "checked_pieces", "not_checked", "removed")
# What services put on record beside the calls of the contract.
OWN = (
    event_type("gateway.admit", DECISION, (*_GATEWAY, "credential", "key_prefix", "milli_usd")),
    event_type("gateway.check", DECISION, (*_GATEWAY, "credential")),
    event_type("gateway.complete", DECISION, (*_GATEWAY, *_LOOKED)),
    event_type("gateway.complete_stream", DECISION, (*_GATEWAY, *_LOOKED)),
    event_type("gateway.authorize_tool_call", DECISION, (*_GATEWAY, "tool", "arguments_sha256")),
    event_type("malicious_cors", DECISION, ("target", "brand", "origin", "workload"), ocsf=AUTHENTICATION),
    event_type("auth.challenge_misconfigured", CRITICAL, ("target", "brand", "provider", "cause")),
    event_type("auth.api_key_leaked", CRITICAL, ("key", "action", "source")),
    event_type("auth.bootstrap_api_key", CRITICAL, (*CHANGE, "key"), people=("subject",)),
    event_type("tenancy.conversation_broken", CRITICAL, ("integrity", "sequence", "conversation")),
    event_type("ratelimit.limit_granted", CRITICAL, ("limit", "amount", "seconds", "why")),
    event_type("ratelimit.subject_reset", CRITICAL, ("limit", "penalty", "brand", "key"), people=("user", "subject")),
    event_type("ratelimit.should_rate_limit", DECISION, CALL),
    event_type("audit.query", "critical decision", (*CALL, "from", "to", "filters")),
    event_type("audit.verify", "critical decision", (*CALL, "from", "to", "problem")),
    event_type("audit.export", "critical decision", (*CHANGE, "from", "to", "format")),
    event_type("audit.erase_subject", "critical decision", (*CHANGE, "from", "to", "key", "found")),
    event_type("audit.query_platform", "critical decision", (*CALL, "from", "to", "filters")),
    event_type("audit.verify_platform", "critical decision", (*CALL, "from", "to", "problem")),
    event_type("audit.export_platform", "critical decision", (*CALL, "from", "to", "format")),
    *(
        event_type(f"audit.{name}", "critical decision", (*CALL, "incident", "state", "action_id", "rule", "mode"))
        for name in ("get_incident", "close_incident", "decide_action", "put_playbook_mode")
    ),
    event_type("audit.chain_broken", CRITICAL, ("target", "problem", "sequence")),
    event_type("auth.token_reused", CRITICAL, ("kind", "session"), ocsf=AUTHENTICATION),
    event_type(
        "context_token.token_reused", CRITICAL, ("kind", "cause", "workload", "session", "key"), ocsf=AUTHENTICATION
    ),
    event_type(
        "context_token.token_refused", DECISION, ("kind", "cause", "workload", "session", "key"), ocsf=AUTHENTICATION
    ),
    event_type("audit.incident_opened", CRITICAL, ("incident", "rule", "mode", "initiator")),
    event_type("audit.incident_action", CRITICAL, ("incident", "action", "action_id", "state", "initiator")),
    # Of every service: a record was dropped at the way out of its process; never what stood in it.
    event_type("kit.personal_data_dropped", CRITICAL, ("workload", "where", "kind", "record", "times")),
    event_type("audit.anchor_behind", CRITICAL, ("anchor", "cause")),
    event_type("audit.retention_run", CRITICAL, ("run", "rows", "problem")),
    event_type("audit.retention_dropped", CRITICAL, ("rows",)),
    event_type("audit.retention_held", CRITICAL, ("hold", "scope")),
    event_type("audit.retention_released", CRITICAL, ("hold",)),
)
# Calls whose fact `about` is a user's id.
ABOUT_PEOPLE = frozenset(
    {
        "auth.revoke_subject",
        "tenancy.put_member",
        "tenancy.update_member",
        "tenancy.remove_member",
        "ratelimit.reset",
    }
)
OCSF = {
    "auth.authenticate": AUTHENTICATION,
    "auth.continue": AUTHENTICATION,
    "auth.verify_challenge": AUTHENTICATION,
    "auth.create_session": AUTHORIZE,
    "auth.revoke_session": AUTHORIZE,
    "tenancy.authorize": AUTHORIZE,
    "tenancy.authorize_batch": AUTHORIZE,
}


def of_call(code: str, *, critical: bool) -> tuple[EventType, ...]:
    """The types of one RPC's events: what came of it and, for a change, that it was asked for."""
    if not critical:
        return (event_type(code, DECISION, CALL, ocsf=OCSF.get(code, API_ACTIVITY)),)
    facts, people = (CALL, ("about",)) if code in ABOUT_PEOPLE else (CHANGE, ())
    facts = (*facts, "fields")
    ocsf = OCSF.get(code, API_ACTIVITY)
    return tuple(event_type(name, CRITICAL, facts, people, ocsf) for name in (code, f"{code}.asked"))
