"""The database's part in rotating keys: which proofs of an organisation it accepts, and what it keeps under a key.

A version of the key that proves an organisation must be accepted by `hauberk.current_org()` before anybody signs with
it, and stay until its last proof has expired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from services.kit.clock import SystemClock
from services.kit.database_roles import OWNER
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.key_kinds import API_KEY_PEPPER, AUDIT_KEK, CHECKPOINT, CONTENT_KEK, EDGE_KEK, WEBHOOK_KEK
from services.kit.org_proof import pads, valid_kid

_INSERT = (
    "INSERT INTO hauberk.org_mac_keys (kid, inner_pad, outer_pad) VALUES (%s, %s, %s) ON CONFLICT (kid)"
    " DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad, active = true"
)

# What the database keeps for as long as nobody changes it, by the key that it is kept under: words, table, question.
_STORED: dict[str, tuple[tuple[str, str, LiteralString], ...]] = {
    API_KEY_PEPPER: (
        (
            "API keys (each moves on when it is used)",
            "auth.api_keys",
            "SELECT coalesce(sum(usable), 0) FROM auth.keys_by_pepper(%(now)s) WHERE pepper = %(kid)s",
        ),
        (
            "sessions",
            "auth.sessions",
            "SELECT count(*) FROM auth.sessions WHERE pepper = %(kid)s AND revoked_at IS NULL AND expires_at > %(now)s",
        ),
    ),
    WEBHOOK_KEK: (
        (
            "secrets of webhooks (each moves on when it is set again)",
            "auth.key_settings",
            "SELECT count(*) FROM auth.key_settings WHERE starts_with(encode(webhook_secret, 'escape'), %(kid)s || ':')"
            " OR substring(webhook_secret FROM 1 FOR length(%(kid)s) + 1)"
            " = convert_to(chr(length(%(kid)s)) || %(kid)s, 'UTF8')",
        ),
    ),
    CONTENT_KEK: (
        (
            "keys of organisations' content (each moves on when something is stored)",
            "tenancy.content_keys",
            "SELECT count(*) FROM tenancy.content_keys WHERE kek_kid = %(kid)s",
        ),
        (
            "keys of conversations (each moves on with its next turn)",
            "tenancy.conversations",
            "SELECT count(*) FROM tenancy.conversations WHERE substring(wrapped_key FROM 1 FOR length(%(kid)s) + 1)"
            " = convert_to(chr(length(%(kid)s)) || %(kid)s, 'UTF8')",
        ),
    ),
    AUDIT_KEK: (
        (
            "keys of subjects in the audit trail (each as long as nobody erases it)",
            "audit.subject_keys",
            "SELECT count(*) FROM audit.subject_keys WHERE kid = %(kid)s AND wrapped IS NOT NULL",
        ),
    ),
    CHECKPOINT: (
        (
            "checkpoints (verifying them needs the public key)",
            "audit.checkpoints",
            "SELECT count(*) FROM audit.checkpoints WHERE kid = %(kid)s",
        ),
    ),
    EDGE_KEK: (
        (
            "secrets of bot challenges (each moves on when it is set again)",
            "auth.brand_edges",
            "SELECT count(*) FROM auth.brand_edges WHERE convert_to(chr(length(%(kid)s)) || %(kid)s, 'UTF8') IN"
            " (substring(secret FROM 1 FOR length(%(kid)s) + 1),"
            " CASE WHEN previous_until > %(now)s THEN substring(previous_secret FROM 1 FOR length(%(kid)s) + 1) END)",
        ),
    ),
}


def accept(admin_dsn: str, versions: Mapping[str, bytes]) -> None:
    """Adds versions to those accepted; takes none away. Raises Unavailable, FailedPrecondition for a bad one."""
    if not all(valid_kid(kid) for kid in versions):
        raise FailedPrecondition("ORG_KEY", "a version's name has letters, digits, - and _ only")
    rows = [[kid, *pads(value)] for kid, value in versions.items()]
    _as_owner(admin_dsn, lambda connection: [connection.execute(_INSERT, row) for row in rows])


def refuse(admin_dsn: str, kid: str) -> None:
    """What a version proved counts no more, from now on. Raises Unavailable."""
    _as_owner(
        admin_dsn,
        lambda connection: connection.execute("UPDATE hauberk.org_mac_keys SET active = false WHERE kid = %s", [kid]),
    )


def accepted(admin_dsn: str) -> frozenset[str]:
    """The versions that the database accepts. Raises Unavailable."""
    rows = _as_owner(
        admin_dsn,
        lambda connection: connection.execute("SELECT kid FROM hauberk.org_mac_keys WHERE active").fetchall(),
    )
    return frozenset(str(kid) for (kid,) in rows)


def dependants(admin_dsn: str, name: str, kid: str) -> list[str]:
    """What is still stored under a version of a key, in words. Raises Unavailable."""
    questions = _STORED.get(name)
    if questions is None:
        return ["what is stored under it is not counted"]

    def count(connection: Any) -> list[str]:
        found = []
        for words, table, question in questions:
            if connection.execute("SELECT row_security_active(%s)", [table]).fetchone() == (True,):
                found.append(f"this administrator does not see all {words}, so they cannot be counted")
                continue
            row = connection.execute(
                question, {"kid": kid, "now": datetime.fromtimestamp(SystemClock().now(), UTC)}
            ).fetchone()
            if row and row[0]:
                found.append(f"{row[0]} {words} still need it")
        return found

    counted: list[str] = _connected(admin_dsn, count)
    return counted


def _as_owner(admin_dsn: str, work: Callable[[Any], Any]) -> Any:
    def owned(connection: Any) -> Any:
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        return work(connection)

    return _connected(admin_dsn, owned)


def _connected(admin_dsn: str, work: Callable[[Any], Any]) -> Any:
    try:
        with psycopg.connect(admin_dsn, connect_timeout=5) as connection:
            return work(connection)
    except psycopg.Error:
        raise Unavailable("postgres") from None
