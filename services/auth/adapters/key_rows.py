"""Rows of API keys and their notices, as every adapter over these tables reads and writes them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from services.auth.policy.api_keys import KeyRecord
from services.kit.caller import KeyLimit
from services.kit.postgres import Connection

COLUMNS: LiteralString = (
    "key_id, org_id, subject, brand, scopes, last_four, created_at, display_name, expires_at, revoked_at, rotated_to,"
    " grace_until, epoch, not_before, addresses::text[], limits, leaked_at, alg, pepper"
)
BY_COLUMNS: LiteralString = (
    "k.key_id, k.org_id, k.subject, k.brand, k.scopes, k.last_four, k.created_at, k.display_name, k.expires_at,"
    " k.revoked_at, k.rotated_to, k.grace_until, k.epoch, k.not_before, k.addresses::text[], k.limits, k.leaked_at,"
    " k.alg, k.pepper"
)
# Only for whoever wants to be told; twice the same is once.
_NOTICE: LiteralString = (
    "INSERT INTO auth.key_notices (org_id, notice_id, key_id, kind, mark, body, due_at)"
    " SELECT %s, %s, %s, %s, %s, %s, clock_timestamp() WHERE EXISTS (SELECT FROM auth.key_settings"
    " WHERE org_id = hauberk.current_org() AND webhook_url <> '') ON CONFLICT DO NOTHING"
)


def record_of(row: tuple[Any, ...]) -> KeyRecord:
    """A row of `COLUMNS`."""
    return KeyRecord(
        key_id=row[0],
        organisation=row[1],
        subject=row[2],
        brand=row[3],
        scopes=frozenset(row[4]),
        last_four=row[5],
        created_at=row[6].timestamp(),
        display_name=row[7],
        expires_at=_seconds(row[8]),
        revoked_at=_seconds(row[9]),
        rotated_to=row[10],
        grace_until=_seconds(row[11]),
        epoch=int(row[12]),
        not_before=_seconds(row[13]),
        addresses=tuple(ip_network(text) for text in row[14]),
        limits=tuple(KeyLimit(str(unit), int(amount), int(seconds)) for unit, amount, seconds in row[15]),
        leaked_at=_seconds(row[16]),
        imported=row[17] != "text",
        pepper=row[18],
    )


def values_of(record: KeyRecord) -> list[Any]:
    """What a new row takes over, in the order of the INSERT."""
    return [
        record.organisation,
        record.key_id,
        record.display_name,
        record.subject,
        record.brand,
        sorted(record.scopes),
        record.last_four,
        None if record.expires_at is None else moment(record.expires_at),
        None if record.not_before is None else moment(record.not_before),
        [str(network) for network in record.addresses],
        Jsonb([[limit.unit, limit.amount, limit.seconds] for limit in record.limits]),
        "sha256" if record.imported else "text",
    ]


async def write_notice(
    connection: Connection, organisation: str, key_id: str, kind: str, body: Mapping[str, Any], mark: str = ""
) -> None:
    """Into the outbox, in the transaction of the cause."""
    values = [organisation, f"msg_{secrets.token_hex(16)}", key_id, kind, mark, Jsonb(dict(body))]
    await connection.execute(_NOTICE, values)


def moment(seconds: float) -> datetime:
    """Unix seconds for the database."""
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()
