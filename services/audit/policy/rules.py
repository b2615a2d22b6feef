"""What an event must be beyond the contract's formats: known, and identifiers, never somebody's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.audit.policy.catalogue import Catalogue
from services.audit.policy.model import Record
from services.kit.facts import is_fact, is_fact_name, is_identifier

YEAR_10000 = 253_402_300_800 * 1_000_000
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")


def broken(record: Record, reporter: str, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Field and rule of everything that is wrong; `reporter` is the kind of the workload that appends."""
    kind = catalogue.get(record.code)
    if kind is None:
        yield "code", "must be an event of the catalogue"
    elif record.kind not in kind.classes:
        yield "class", "must be the class that the catalogue says"
    if record.service != reporter:
        yield "service", "must be the kind of the workload that appends"
    # The id carries the reporter's name, so that no service can take the ids of another's events.
    if record.event_id.count("/") < 3 or record.event_id.split("/")[1] != reporter:
        yield "event_id", "must be transaction/service/method/attempt, of the workload that appends"
    if not 0 < record.at_us < YEAR_10000:
        yield "at", "must be a moment after 1970"
    for name in ("actor", "brand", "txn", "trace_id"):
        value = getattr(record, name)
        if value and not is_identifier(value):
            yield name, "must be an identifier"
    if record.client_address and not _ADDRESS.fullmatch(record.client_address):
        yield "client_address", "must be an address"
    if not record.user_agent.isprintable():
        yield "user_agent", "must be printable"
    if not all(is_fact_name(name) and is_fact(value) for name, value in record.facts):
        yield "facts", "must be names and identifiers, never text"
