"""A year of data of organisations on three plans, as it would lie there: aged rows, a trail with a partition a month.

What is seeded is known, so what must be left is counted by hand here, not by asking the code that deletes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.audit.policy import GENESIS, Checkpoint, Record, encode, link_hash, written
from services.audit.signatures import CheckpointSigner

DAY = 86_400
PLANS = ("free", "pro", "enterprise")
# The same numbers as policies/retention.yaml, written once more by hand: 0 = never.
KEPT_DAYS = {
    "tenancy.conversations": {"free": 7, "pro": 90, "enterprise": 0},
    "tenancy.invitations": dict.fromkeys(PLANS, 30),
    "auth.sessions": {"free": 7, "pro": 30, "enterprise": 90},
    "auth.api_keys": {"free": 90, "pro": 365, "enterprise": 7 * 365},
    "auth.key_uses": {"free": 90, "pro": 365, "enterprise": 365},
    "auth.key_notices": dict.fromkeys(PLANS, 30),
    "guardrail.calls": dict.fromkeys(PLANS, 30),
    "guardrail.approvals": {"free": 90, "pro": 365, "enterprise": 7 * 365},
    "ratelimit.overrides": dict.fromkeys(PLANS, 90),
}
SPAN_DAYS = 400  # a year and some, so that what is kept for a year loses something as well


@dataclass
class Year:
    """What was seeded; `ages` are in days, by table and organisation."""

    now: float
    organisations: dict[str, str]
    ages: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    events: dict[str, dict[str, int]] = field(default_factory=dict)
    """Events by month and organisation."""

    @property
    def held(self) -> str:
        """The organisation that is put under a hold."""
        return next(name for name in self.organisations if name.startswith("y-held"))

    def left(self, table: str, organisation: str) -> int:
        """How many rows the policy leaves of an organisation."""
        days = KEPT_DAYS[table][self.organisations[organisation]]
        return sum(1 for age in self.ages[table].get(organisation, []) if not days or age <= days)

    def seeded(self, table: str) -> int:
        """How many rows there were."""
        return sum(map(len, self.ages[table].values()))


def seed(admin_dsn: str, signer: CheckpointSigner, now: float, rows: int, events: int, tag: str = "") -> Year:
    """`rows` of each type and `events` of the trail for each organisation, over the year. As the administrator."""
    tag = tag or secrets.token_hex(3)
    year = Year(now, {**{f"y-{plan}-{tag}": plan for plan in PLANS}, f"y-held-{tag}": "free"})
    with psycopg.connect(admin_dsn) as conn:
        for organisation, plan in year.organisations.items():
            _organisation(conn, organisation, plan)
        for table, insert in _INSERTS.items():
            year.ages[table] = {}
            for organisation, plan in year.organisations.items():
                # Never within an hour of an edge, so that the time that a run takes decides nothing.
                ages = [SPAN_DAYS * (n + 0.5) / rows + 0.06 for n in range(rows)]
                ages = [age + 0.1 if abs(age - round(age)) < 0.05 else age for age in ages]
                year.ages[table][organisation] = ages
                values = [(organisation, n, now - age * DAY, plan) for n, age in enumerate(ages)]
                conn.cursor().executemany(insert, [_named(*each) for each in values])
        for organisation in year.organisations:
            _trail(conn, year, organisation, signer, events)
    return year


def _named(organisation: str, n: int, at: float, plan: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{organisation}/{n}".encode()).digest()
    return {
        "org": organisation,
        "n": n,
        "at": at,
        "plan": plan,
        "digest": digest,
        "id": f"{n:016d}",
        "hex": f"{n:032x}",
    }


def _organisation(conn: psycopg.Connection[Any], organisation: str, plan: str) -> None:
    conn.execute(
        "INSERT INTO tenancy.organisations (org_id, display_name, plan) VALUES (%s, 'Y', %s)", [organisation, plan]
    )
    conn.execute("INSERT INTO tenancy.brands (org_id, brand_id) VALUES (%s, 'shop')", [organisation])
    conn.execute(
        "INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES (%s, 'ada', '{owner}', true)",
        [organisation],
    )


_INSERTS = {
    "tenancy.conversations": "WITH c AS (INSERT INTO tenancy.conversations (org_id, brand_id, user_id, conversation_id,"
    " wrapped_key, retention, head, head_proof, last_at) VALUES (%(org)s, 'shop', 'u' || %(n)s::int %% 10,"
    " 'c' || %(n)s::int, '\\x00', %(plan)s, 1, %(digest)s, to_timestamp(%(at)s)) RETURNING *)"
    " INSERT INTO tenancy.turns (org_id, brand_id, user_id, conversation_id, sequence, role, at_us, sealed, mark)"
    " SELECT org_id, brand_id, user_id, conversation_id, 1, 1, 1, '\\x00', head_proof FROM c",
    "tenancy.invitations": "INSERT INTO tenancy.invitations (org_id, invitation_id, digest, roles, brands, all_brands,"
    " invited_by, created_at, expires_at) VALUES (%(org)s, 'inv_' || %(id)s, %(digest)s, '{member}', '{}', true, 'ada',"
    " to_timestamp(%(at)s - 86400), to_timestamp(%(at)s))",
    "auth.sessions": "INSERT INTO auth.sessions (org_id, session_id, digest, pepper, subject, brand, scopes, roles,"
    " credential_id, epochs, authentication, limits, created_at, expires_at, last_seen_at, idle_seconds)"
    " VALUES (%(org)s,"
    " 'ses_' || %(id)s, %(digest)s, '1', 'u' || %(n)s::int %% 10, 'shop', '{}', '{}', '', '{}', '{}', '[]',"
    " to_timestamp(%(at)s - 60), to_timestamp(%(at)s), to_timestamp(%(at)s), 60)",
    "auth.api_keys": "INSERT INTO auth.api_keys (org_id, key_id, digest, pepper, subject, scopes, last_four,"
    " created_by,"
    " revoked_at) VALUES (%(org)s, 'key_' || %(id)s, %(digest)s, '1', 'u' || %(n)s::int %% 10, '{}', 'abcd', 'ada',"
    " to_timestamp(%(at)s))",
    "auth.key_uses": "INSERT INTO auth.key_uses (org_id, key_id, workload, network, last_used_at) VALUES (%(org)s,"
    " 'key_' || %(id)s, 'backend/shop', '192.0.2.0/24', to_timestamp(%(at)s))",
    "auth.key_notices": "INSERT INTO auth.key_notices (org_id, notice_id, key_id, kind, mark, body, due_at,"
    " done_at) VALUES"
    " (%(org)s, 'msg_' || %(id)s, 'key_' || %(id)s, 'rotated', '', '{}', to_timestamp(%(at)s), to_timestamp(%(at)s))",
    "guardrail.calls": "INSERT INTO guardrail.calls (org_id, user_id, brand, conversation, txn, tool,"
    " labels, called_at)"
    " VALUES (%(org)s, 'u' || %(n)s::int %% 10, 'shop', 'c1', %(hex)s, 'look_up', '{}', to_timestamp(%(at)s))",
    "guardrail.approvals": "INSERT INTO guardrail.approvals (org_id, approval, state, call_digest, tool,"
    " definition_hash,"
    " arguments_sha256, conversation, user_id, brand, reason, approver, expires_at) VALUES (%(org)s, 'apr_' || %(hex)s,"
    " 'used', encode(%(digest)s, 'hex'), 'look_up', '', '', 'c1', 'u' || %(n)s::int %% 10, 'shop', '', '',"
    " to_timestamp(%(at)s))",
    "ratelimit.overrides": "INSERT INTO ratelimit.overrides (org_id, limit_id, amount, expires_at, granted_by) VALUES"
    " (%(org)s, 'limit_' || %(n)s::int, 1, to_timestamp(%(at)s), 'operator')",
}


def _trail(conn: psycopg.Connection[Any], year: Year, organisation: str, signer: CheckpointSigner, events: int) -> None:
    """A chain as the sealer would have made it, with a checkpoint every hundred events and at its end."""
    tip, previous, linked, signed = GENESIS, b"", [], []
    for n in range(events):
        at = year.now - SPAN_DAYS * DAY * (events - n) / events
        month = datetime.fromtimestamp(at, UTC).strftime("%Y%m")
        year.events.setdefault(month, {}).setdefault(organisation, 0)
        year.events[month][organisation] += 1
        at_us = int(at * 1_000_000)
        record = Record(
            f"{organisation}/{n}",
            "decision",
            "gateway.admit",
            at_us,
            "ALLOW",
            "NONE",
            organisation,
            "gateway",
            service="gateway",
            sealed=(),
        )
        body = encode(record)
        before, tip = tip, link_hash(tip, body)
        moment = written(at_us)
        linked.append((organisation, n + 1, record.event_id, moment, body, before, tip, moment))
        if (n + 1) % 100 == 0 or n + 1 == events:
            statement = Checkpoint(organisation, n + 1, tip, at_us, previous).statement()
            mark = signer.sign(statement)
            previous = hashlib.sha256(statement).digest()
            signed.append((organisation, n + 1, tip, moment, statement, mark.kid, mark.signature))
    _partitions(conn, year.events)
    cursor = conn.cursor()
    cursor.executemany(
        "INSERT INTO audit.events (org_id, sequence, event_id, at, code, class, outcome, actor, trace_id,"
        " canonical, prev,"
        " hash, position, sealed_at) VALUES (%s, %s, %s, %s, 'gateway.admit', 'decision', 'ALLOW',"
        " 'gateway', '', %b, %b, %b,"
        " nextval('audit.positions'), %s)",
        linked,
    )
    cursor.execute(
        "INSERT INTO audit.known SELECT org_id, event_id FROM audit.events WHERE org_id = %s", [organisation]
    )
    cursor.execute("INSERT INTO audit.heads (org_id, sequence, hash) VALUES (%s, %s, %b)", [organisation, events, tip])
    cursor.executemany(
        "INSERT INTO audit.checkpoints (org_id, sequence, hash, at, statement, kid, signature)"
        " VALUES (%s, %s, %b, %s, %b, %s, %b)",
        signed,
    )


def _partitions(conn: psycopg.Connection[Any], months: Any) -> None:
    """What `ensure_partitions` makes, for months that are past."""
    for month in months:
        exists = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [f"audit.events_{month}"]).fetchone()
        if exists and exists[0]:
            continue
        begins = datetime(int(month[:4]), int(month[4:]), 1, tzinfo=UTC)
        ends = datetime(begins.year + begins.month // 12, begins.month % 12 + 1, 1, tzinfo=UTC)
        conn.execute("SET LOCAL ROLE hauberk_owner")
        conn.execute(
            f"CREATE TABLE audit.events_{month} PARTITION OF audit.events FOR VALUES FROM ('{begins.isoformat()}')"
            f" TO ('{ends.isoformat()}')".encode()
        )
        conn.execute(f"REVOKE ALL ON audit.events_{month} FROM hauberk_audit".encode())
        conn.execute("SELECT hauberk.protect(%s::regclass)", [f"audit.events_{month}"])
        conn.execute("RESET ROLE")


def rows_left(admin_dsn: str, year: Year) -> dict[str, dict[str, int]]:
    """How many rows there are now, by table and organisation."""
    found: dict[str, dict[str, int]] = {}
    with psycopg.connect(admin_dsn) as conn:
        for table in [*KEPT_DAYS, "tenancy.turns", "audit.events", "audit.known"]:
            own = "AND event_id LIKE org_id || '/%%'" if table.startswith("audit.") else ""  # not what runs report
            query = f"SELECT org_id, count(*) FROM {table} WHERE org_id = ANY (%s) {own} GROUP BY 1"
            counts: dict[str, int] = dict(conn.execute(query.encode(), [list(year.organisations)]).fetchall())
            found[table] = {organisation: int(counts.get(organisation, 0)) for organisation in year.organisations}
    return found


def wrong(left: dict[str, dict[str, int]], year: Year, held: str = "") -> list[str]:
    """Where what is left is not what the policy leaves; nothing of a held organisation may be gone."""
    found = []
    for table in KEPT_DAYS:
        for organisation in year.organisations:
            full = len(year.ages[table][organisation])
            due = full if organisation == held else year.left(table, organisation)
            if left[table][organisation] != due:
                found.append(json.dumps([table, organisation, left[table][organisation], due]))
    return found
