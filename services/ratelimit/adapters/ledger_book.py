"""The ledger in PostgreSQL: written through one narrow door, read with the organisation's proof."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from services.kit.errors import Unavailable
from services.kit.postgres import Database, Proven
from services.ratelimit.ports.ledger import Charge, Entry, OpenHold, SettledRequest, Snapshot

_SPENT_FOR_US = 600_000_000  # as long as the scripts remember what is settled
# One statement sees one moment: a settlement in between would count twice or not at all. A proof that is not the
# organisation's would see nothing, which must not be taken for "nothing was spent".
_SNAPSHOT = """
SELECT hauberk.current_org() IS NOT DISTINCT FROM %(org)s,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(s.subject, s.field, s.begins_s, s.ends_s, s.amount)), '[]')
       FROM ratelimit.spent s WHERE s.org_id = %(org)s AND s.ends_s > %(since_s)s),
    (SELECT coalesce(jsonb_agg(jsonb_build_array(h.request_id, h.expires_us, encode(h.packed, 'hex'), (
            SELECT coalesce(jsonb_agg(c), '[]') FROM jsonb_array_elements(h.charges) c WHERE NOT EXISTS (
                SELECT FROM ratelimit.resets r
                 WHERE r.org_id = %(org)s AND r.subject = c ->> 0 AND r.field = c ->> 1
                   AND r.begins_s = (c ->> 2)::bigint AND r.open_us >= h.opened_us)))), '[]')
       FROM ratelimit.holds h WHERE h.org_id = %(org)s),
    (SELECT coalesce(jsonb_agg(jsonb_build_array(l.request_id, l.workload, l.kind = 'released', l.micro_usd)), '[]')
       FROM ratelimit.ledger l WHERE l.org_id = %(org)s AND l.at_us > %(settled_us)s
        AND l.kind IN ('committed', 'released', 'late'))
"""
_ALREADY_OVER_S = 120  # the clocks of the two stores may differ: a window that has just ended is put back too


class PostgresBook:
    """Implements `ports.ledger.Book`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, organisation: str, entries: Sequence[Entry]) -> int:
        """See the port."""
        rows = json.dumps([_row(entry) for entry in entries], separators=(",", ":"))
        packed = [entry.packed for entry in entries]
        async with self._database.anonymous() as connection:
            cursor = await connection.execute(
                "SELECT ratelimit.append(%s, %s::jsonb, %b::bytea[])", [organisation, rows, packed]
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def fold(self, after: str, before_us: int, forget_s: int, most: int) -> tuple[str, int]:
        """See the port."""
        async with self._database.anonymous() as connection:
            cursor = await connection.execute(
                "SELECT org, folded FROM ratelimit.fold(%s, %s, %s, %s)", [after, before_us, forget_s, most]
            )
            row = await cursor.fetchone()
        return (row[0] or "", int(row[1])) if row else ("", 0)

    async def snapshot(self, proof: Proven, organisation: str, now_us: int) -> Snapshot:
        """See the port."""
        since_s = now_us // 1_000_000 - _ALREADY_OVER_S
        values = {"org": organisation, "since_s": since_s, "settled_us": now_us - _SPENT_FOR_US}
        async with self._database.tenant(proof) as connection:
            row = await (await connection.execute(_SNAPSHOT, values)).fetchone()
        if row is None or not row[0]:
            raise Unavailable("postgres")
        _, spent, holds, settled = row
        charges = [charge_of(found) for found in spent]
        for *_, kept in holds:
            charges += [charge for charge in map(charge_of, kept) if charge.ends_s > since_s]
        return Snapshot(
            _summed(charges),
            tuple(OpenHold(name, expires, bytes.fromhex(packed)) for name, expires, packed, _ in holds),
            tuple(SettledRequest(*found) for found in settled),
        )


def charge_of(row: Sequence[Any]) -> Charge:
    """A charge as the scripts write it."""
    subject, field, begins, ends, amount = row
    return Charge(str(subject), str(field), int(begins), int(ends), int(amount))


def _summed(charges: Sequence[Charge]) -> tuple[Charge, ...]:
    sums: dict[tuple[str, str, int, int], int] = defaultdict(int)
    for charge in charges:
        sums[charge.subject, charge.field, charge.begins_s, charge.ends_s] += charge.amount
    ordered = sorted(sums.items(), key=lambda item: item[0][2])
    return tuple(Charge(*where, max(0, amount)) for where, amount in ordered)


def _row(entry: Entry) -> dict[str, Any]:
    ms, _, number = entry.entry_id.partition("-")
    return {
        "kind": entry.kind,
        "id": entry.request_id,
        "opened": entry.opened_us,
        "at": entry.at_us,
        "workload": entry.workload,
        "tokens": entry.tokens,
        "micro_usd": entry.micro_usd,
        "expires": entry.expires_us,
        "ms": int(ms),
        "n": int(number),
        "charges": [[c.subject, c.field, str(c.begins_s), str(c.ends_s), str(c.amount)] for c in entry.charges],
    }
