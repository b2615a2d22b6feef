"""What an event is, inside: names instead of numbers, microseconds instead of time stamps."""

from __future__ import annotations

from dataclasses import dataclass

GENESIS = bytes(32)
"""What the first event of a chain is linked to."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it is kept; what is not known is empty."""

    event_id: str
    kind: str
    code: str
    at_us: int
    outcome: str
    reason: str
    organisation: str = ""
    actor: str = ""
    brand: str = ""
    service: str = ""
    txn: str = ""
    trace_id: str = ""
    client_address: str = ""
    user_agent: str = ""
    mfa: str = ""
    challenge: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    sealed: tuple[tuple[str, str], ...] | None = None
    """Personal fields, sealed: id of the key and ciphertext. None: an event of before there were keys."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands beside the hashed bytes to be searched by; it must say what they say."""

    event_id: str
    at_us: int
    code: str
    kind: str
    outcome: str
    actor: str
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One event of a chain as it is stored."""

    sequence: int
    canonical: bytes
    prev: bytes
    hash: bytes
    columns: Columns


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends, by its own word."""

    sequence: int = 0
    hash: bytes = GENESIS


def columns_of(record: Record) -> Columns:
    """What the columns beside a record must say."""
    return Columns(
        record.event_id, record.at_us, record.code, record.kind, record.outcome, record.actor, record.trace_id
    )
