"""Notices to the owners of API keys in PostgreSQL: the outbox, the organisation's settings, the seal of its secret."""

from __future__ import annotations

from typing import Any, LiteralString

from services.auth.adapters.key_rows import COLUMNS, moment, record_of, write_notice
from services.auth.policy.api_keys import KeyRecord, OnLeak
from services.auth.ports.keys import Due, TargetState
from services.kit.errors import Unavailable
from services.kit.key_kinds import WEBHOOK_KEK
from services.kit.keys import Derived, KeyPort
from services.kit.postgres import Connection, Database, Proven
from services.kit.sealing import Box, SealBrokenError
from services.kit.sealing import Seal as KeySeal
from services.kit.webhooks import Target

_ON_LEAK: LiteralString = "SELECT on_leak FROM auth.key_settings WHERE org_id = hauberk.current_org()"
_DONE: LiteralString = (
    "UPDATE auth.key_notices SET done_at = %s, delivered = %s WHERE org_id = hauberk.current_org() AND notice_id = %s"
)
_LATER: LiteralString = (
    "UPDATE auth.key_notices SET due_at = %s WHERE org_id = hauberk.current_org() AND notice_id = %s"
)
_SET_ON_LEAK: LiteralString = (
    "INSERT INTO auth.key_settings (org_id, on_leak) VALUES (%s, %s)"
    " ON CONFLICT (org_id) DO UPDATE SET on_leak = excluded.on_leak"
)
_SET_TARGET: LiteralString = (
    "INSERT INTO auth.key_settings (org_id, webhook_url, webhook_secret, webhook_at)"
    " VALUES (%s, %s, %s, clock_timestamp()) ON CONFLICT (org_id) DO UPDATE SET"
    " webhook_url = excluded.webhook_url, webhook_secret = excluded.webhook_secret, webhook_at = excluded.webhook_at"
)
_STATE: LiteralString = (
    "SELECT s.webhook_url, s.webhook_at,"
    " (SELECT count(*) FROM auth.key_notices AS n WHERE n.org_id = s.org_id AND n.done_at IS NULL),"
    " (SELECT count(*) FROM auth.key_notices AS n WHERE n.org_id = s.org_id AND n.done_at IS NOT NULL"
    " AND NOT n.delivered) FROM auth.key_settings AS s"
    " WHERE s.org_id = hauberk.current_org() AND s.webhook_url <> ''"
)
_OPEN: LiteralString = (
    "SELECT n.kind, n.key_id, n.body, n.created_at, n.attempts, coalesce(s.webhook_url, ''), s.webhook_secret"
    " FROM auth.key_notices AS n LEFT JOIN auth.key_settings AS s ON s.org_id = n.org_id"
    " WHERE n.org_id = hauberk.current_org() AND n.notice_id = %s AND n.done_at IS NULL"
)
_LEAK: dict[OnLeak, LiteralString] = {
    OnLeak.REVOKE: "revoked_at = clock_timestamp(), epoch = epoch + 1, epoch_at = clock_timestamp()",
    OnLeak.ROTATE: "grace_until = least(grace_until, %(ends_at)s), rotated_at = clock_timestamp()",
    OnLeak.ALERT: "revoked_at = revoked_at",
}


class Seal:
    """Secrets of webhooks under the key `webhook-kek`, bound to their organisation."""

    def __init__(self, keys: KeyPort) -> None:
        self._seal = KeySeal(keys, WEBHOOK_KEK, b"hauberk webhook 1")
        # Secrets that were set before there was this form, and not again since: `<kid>:<nonce><sealed>`.
        self._first = Derived(keys, WEBHOOK_KEK, lambda all_: {one.kid.encode(): Box(one.value[:32]) for one in all_})

    def close(self, organisation: str, secret: bytes) -> bytes:
        """With the active version."""
        return self._seal.seal(organisation, secret)

    def open(self, organisation: str, sealed: bytes) -> bytes | None:
        """None when it is not ours, another organisation's, or of a version that is gone."""
        kid, _, rest = sealed.partition(b":")
        first = self._first().get(kid)
        try:
            return first.open(rest, organisation.encode()) if first else self._seal.open(organisation, sealed)
        except SealBrokenError:
            return None


class PostgresKeySettings:
    """`services.auth.ports.keys.KeySettingsStore`, and `LeakStore` beside it."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def on_leak(self, proof: Proven) -> OnLeak:
        """The default is the safe one."""
        async with self._database.tenant(proof) as connection:
            row = await _row(connection, _ON_LEAK)
        return OnLeak(row[0]) if row else OnLeak.REVOKE

    async def set_on_leak(self, proof: Proven, organisation: str, action: OnLeak) -> None:
        """One row."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_SET_ON_LEAK, [organisation, action.value])

    async def target(self, proof: Proven) -> TargetState | None:
        """With the numbers of its notices."""
        async with self._database.tenant(proof) as connection:
            row = await _row(connection, _STATE)
        return TargetState(row[0], row[1].timestamp(), int(row[2]), int(row[3])) if row else None

    async def set_target(self, proof: Proven, organisation: str, target: Target | None) -> None:
        """Taken away, it leaves no secret behind."""
        url, sealed = ("", None) if target is None else (target.url, self._seal.close(organisation, target.secret))
        async with self._database.tenant(proof) as connection:
            await connection.execute(_SET_TARGET, [organisation, url, sealed])

    async def leaked(self, proof: Proven, key_id: str, action: OnLeak, ends_at: float) -> KeyRecord | None:
        """The change and its notice together; two reports of one day are one notice."""
        change: LiteralString = (
            "UPDATE auth.api_keys SET leaked_at = clock_timestamp(), "  # noqa: S608 - constants only
            + _LEAK[action]
            + " WHERE org_id = hauberk.current_org() AND key_id = %(key_id)s AND revoked_at IS NULL RETURNING "
            + COLUMNS
        )
        async with self._database.tenant(proof) as connection:
            values = {"key_id": key_id, "ends_at": moment(ends_at)}
            row = await (await connection.execute(change, values)).fetchone()
            if row is None:
                return None
            record = record_of(row)
            body: dict[str, Any] = {"action": action.value}
            if record.grace_until is not None:
                body["ends_at"] = int(record.grace_until)
            day = int((record.leaked_at or 0) // 86_400)
            await write_notice(connection, record.organisation, key_id, "leaked", body, f"{action.value}@{day}")
        return record


class PostgresOutbox:
    """`services.auth.ports.keys.Outbox`."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def plan(self, now: float) -> int:
        """Through the door that goes over all organisations."""
        async with self._database.anonymous() as connection:
            row = await _row(connection, "SELECT auth.plan_key_notices(%s)", moment(now))
        return int(row[0]) if row else 0

    async def claim(self, now: float, lease: float, most: int) -> list[tuple[str, str]]:
        """Rows that another process holds are passed over."""
        statement = "SELECT * FROM auth.claim_key_notices(%s, make_interval(secs => %s), %s)"
        async with self._database.anonymous() as connection:
            rows = await (await connection.execute(statement, [moment(now), lease, most])).fetchall()
        return [(str(organisation), str(notice_id)) for organisation, notice_id in rows]

    async def open(self, proof: Proven, organisation: str, notice_id: str) -> Due | None:
        """Under the tenant that the claim named."""
        async with self._database.tenant(proof) as connection:
            row = await _row(connection, _OPEN, notice_id)
        if row is None:
            return None
        kind, key_id, body, created_at, attempts, url, sealed = row
        secret = self._seal.open(organisation, bytes(sealed)) if url and sealed else None
        if url and secret is None:  # the key that sealed it is not here: the notice waits until it is
            raise Unavailable("webhook-kek")
        target = Target(url, secret) if secret else None
        return Due(organisation, notice_id, kind, key_id, body, created_at.timestamp(), attempts, target)

    async def done(self, proof: Proven, notice_id: str, now: float, *, delivered: bool) -> None:
        """Kept for 30 days, for the numbers."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_DONE, [moment(now), delivered, notice_id])

    async def later(self, proof: Proven, notice_id: str, due_at: float) -> None:
        """Before or after the end of the lease."""
        async with self._database.tenant(proof) as connection:
            await connection.execute(_LATER, [moment(due_at), notice_id])


async def _row(connection: Connection, statement: LiteralString, *values: Any) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, values)).fetchone()
