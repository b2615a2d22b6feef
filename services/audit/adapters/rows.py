"""Rows of the audit schema as the core's types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from services.audit.policy import Columns, Link, Signed

# Microseconds as whole numbers: floating point would not hold them.
_US: LiteralString = "(extract(epoch FROM e.at) * 1000000)::bigint"
LINK: LiteralString = (
    "e.sequence, e.canonical, e.prev, e.hash, e.event_id, " + _US + ", e.code, e.class, e.outcome, e.actor, e.trace_id"
)
SIGNED: LiteralString = "c.statement, c.kid, c.signature"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def link(row: tuple[Any, ...]) -> Link:
    """Of the columns `LINK`."""
    sequence, canonical, prev, tip, *columns = row
    return Link(sequence, bytes(canonical), bytes(prev), bytes(tip), Columns(*columns))


def signed(row: tuple[Any, ...]) -> Signed:
    """Of the columns `SIGNED`."""
    return Signed(bytes(row[0]), str(row[1]), bytes(row[2]))


def moment(at_us: int) -> datetime:
    """A moment for the database."""
    return _EPOCH + timedelta(microseconds=at_us)
