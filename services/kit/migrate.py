"""Prepares a database once: roles, schemas, migrations in order, and the keys that prove an organisation.

Migrations are plain SQL files `NNNN_title.sql`, first the kit's, then each service's. They run as `hauberk_owner` with
the service's schema first in the search path, each in its own transaction, and are never changed once applied. Several
hosts may prepare at the same time: an advisory lock lets one through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from services.kit.database_roles import EXTENSIONS, OWNER, ROLES, SERVICES, Connection, ensure_roles, ensure_schemas
from services.kit.errors import FailedPrecondition, Unavailable
from services.kit.org_proof import pads, valid_kid

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x4A0B_E12C  # any number, as long as nobody else on this database uses it
_ROOT = Path(__file__).resolve().parents[1]
_LEDGER = """
CREATE TABLE IF NOT EXISTS hauberk.migrations (
    service    text COLLATE "C" NOT NULL,
    number     integer NOT NULL CHECK (number > 0),
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (service, number)
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: whose it is (`kit` or a service), its number and its text."""

    service: str
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """What is remembered of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def prepare_database(
    admin_dsn: str,
    role_passwords: Mapping[str, str],
    org_mac_keys: Mapping[str, bytes],
    *,
    connection_limit: int = 40,
    root: Path = _ROOT,
) -> tuple[str, ...]:
    """Bring the database to the state this version needs; safe to repeat. Returns the migrations applied now.

    `role_passwords` has a password for each of `ROLES`, `org_mac_keys` every key id with its key that shall be accepted
    (others are retired). Fails with FailedPrecondition when the database and the files disagree, Unavailable when it
    cannot be reached or refuses a statement; what was applied until then stays.
    """
    missing = [role for role in ROLES if not role_passwords.get(role)]
    if missing or not org_mac_keys or not all(valid_kid(kid) for kid in org_mac_keys):
        raise FailedPrecondition("PREPARE_INPUT", "a password per service and a well-named organisation key are needed")
    migrations = load_migrations(root)
    try:
        with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=5) as connection:
            _wait_for_our_turn(connection)
            with connection.transaction():
                ensure_roles(connection, role_passwords, connection_limit)
                ensure_schemas(connection)
                _as_owner(connection, "hauberk")
                connection.execute(_LEDGER)
            applied = _apply(connection, migrations)
            with connection.transaction():
                _store_keys(connection, org_mac_keys)
    except psycopg.Error as error:
        raise Unavailable("postgres") from (error if isinstance(error, psycopg.ProgrammingError) else None)
    return applied


def load_migrations(root: Path = _ROOT) -> tuple[Migration, ...]:
    """All migrations in the order they are applied."""
    found: list[Migration] = []
    for service in ("kit", *SERVICES):
        numbers: set[int] = set()
        for file in sorted((root / service / "migrations").glob("*.sql")):
            match = _NAME.fullmatch(file.name)
            if match is None or int(match[1]) in numbers:
                raise FailedPrecondition("MIGRATION_NAME", f"{service}/{file.name} has no valid number of its own")
            numbers.add(int(match[1]))
            found.append(Migration(service, int(match[1]), file.name, file.read_text(encoding="utf-8")))
    return tuple(found)


def _apply(connection: Connection, migrations: Sequence[Migration]) -> tuple[str, ...]:
    rows = connection.execute("SELECT service, number, name, checksum FROM hauberk.migrations").fetchall()
    applied = {(str(service), int(number)): (str(name), str(checksum)) for service, number, name, checksum in rows}
    known = {(migration.service, migration.number) for migration in migrations}
    for key, (name, _) in applied.items():
        if key not in known:
            raise FailedPrecondition("MIGRATION_UNKNOWN", f"{key[0]}/{name} was applied by a newer version")
    fresh: list[str] = []
    for migration in migrations:
        label = f"{migration.service}/{migration.name}"
        before = applied.get((migration.service, migration.number))
        if before is not None:
            if before[1] != migration.checksum:
                raise FailedPrecondition("MIGRATION_ALTERED", f"{label} was changed after it had been applied")
            continue
        if any(service == migration.service and number > migration.number for service, number in applied):
            raise FailedPrecondition("MIGRATION_ORDER", f"{label} comes before one that is already applied")
        with connection.transaction():
            _run(connection, migration)
        fresh.append(label)
    return tuple(fresh)


def _run(connection: Connection, migration: Migration) -> None:
    _as_owner(connection, "hauberk" if migration.service == "kit" else migration.service)
    connection.execute(migration.text.encode())
    connection.execute(
        "INSERT INTO hauberk.migrations (service, number, name, checksum) VALUES (%s, %s, %s, %s)",
        [migration.service, migration.number, migration.name, migration.checksum],
    )


def _as_owner(connection: Connection, schema: str) -> None:
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
    path = sql.SQL(", ").join([sql.Identifier(schema), sql.Identifier(EXTENSIONS)])
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(path))


def _store_keys(connection: Connection, keys: Mapping[str, bytes]) -> None:
    _as_owner(connection, "hauberk")
    for kid, key in keys.items():
        connection.execute(
            "INSERT INTO hauberk.org_mac_keys (kid, inner_pad, outer_pad) VALUES (%s, %s, %s) ON CONFLICT (kid)"
            " DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad, active = true",
            [kid, *pads(key)],
        )
    connection.execute("UPDATE hauberk.org_mac_keys SET active = false WHERE kid <> ALL (%s)", [list(keys)])


def _wait_for_our_turn(connection: Connection) -> None:
    """The lock belongs to the session and goes with it."""
    connection.execute("SET lock_timeout = '60s'")
    connection.execute("SET client_min_messages = warning")
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
