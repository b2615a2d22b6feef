"""The roles and schemas of the database: one login role and one schema per service, all owned by a role nobody can be.

Safe to run again and again; passwords are set anew each time (as SCRAM verifiers, so that none reaches a server log).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

from services.kit.errors import FailedPrecondition

SERVICES: Final = ("auth", "tenancy", "ratelimit", "redaction", "guardrail", "context_token", "audit")
# Roles of their own beside a service's: what they may do, the service's own role may not.
COMPANIONS: Final = {
    "audit_sealer": "audit",
    **{f"{service}_retention": service for service in ("auth", "tenancy", "ratelimit", "guardrail", "audit")},
}
ROLES: Final = (*SERVICES, *COMPANIONS)
OWNER: Final = "hauberk_owner"
BOUND: Final = "hauberk_tenant_bound"
LOOKUP: Final = "hauberk_lookup"
EXTENSIONS: Final = "hauberk_ext"
_LIMITS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "15s"}
_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE ON TABLES",
    "USAGE, SELECT ON SEQUENCES",
    "EXECUTE ON FUNCTIONS",
    "USAGE ON TYPES",
)

Connection = psycopg.Connection[tuple[Any, ...]]


def role_of(service: str) -> str:
    """The login role of a service."""
    return f"hauberk_{service}"


def ensure_roles(connection: Connection, passwords: Mapping[str, str], connection_limit: int) -> None:
    """Create or correct every role. `passwords` has one entry for each of `ROLES`."""
    for group in (OWNER, BOUND, LOOKUP):
        _ensure(connection, group, sql.SQL("NOLOGIN"))
    for service in ROLES:
        role = role_of(service)
        verifier = connection.pgconn.encrypt_password(passwords[service].encode(), role.encode(), b"scram-sha-256")
        options = sql.SQL("LOGIN INHERIT CONNECTION LIMIT {} PASSWORD {}").format(
            sql.Literal(connection_limit), sql.Literal(verifier.decode())
        )
        _ensure(connection, role, options)
        _grant(connection, BOUND, role)
        for name, value in _LIMITS.items():
            connection.execute(_sql("ALTER ROLE {} SET {} = {}", role, name, value=value))
        schema = COMPANIONS.get(service, service)
        connection.execute(_sql("ALTER ROLE {} SET search_path = {}, {}", role, schema, EXTENSIONS))
    # The owner must be able to hand a function to the lookup role, and the migrator to act as the owner.
    connection.execute(_sql("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE", LOOKUP, OWNER))
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE").format(sql.Identifier(OWNER)))


def ensure_schemas(connection: Connection) -> None:
    """Create the schemas and take away what PostgreSQL gives to everybody."""
    row = connection.execute("SELECT current_database()").fetchone()
    database = str(row[0]) if row else ""
    connection.execute(_sql("REVOKE ALL ON DATABASE {} FROM PUBLIC", database))
    connection.execute(_sql("GRANT CONNECT ON DATABASE {} TO {}", database, BOUND))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute(_sql("ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", OWNER))
    connection.execute(_sql("ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE USAGE ON TYPES FROM PUBLIC", OWNER))
    for shared in ("hauberk", EXTENSIONS):
        connection.execute(_sql("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", shared, OWNER))
        connection.execute(_sql("GRANT USAGE ON SCHEMA {} TO {}", shared, BOUND))
    connection.execute(_sql("GRANT USAGE ON SCHEMA hauberk TO {}", LOOKUP))
    for service in SERVICES:
        role = role_of(service)
        connection.execute(_sql("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", service, OWNER))
        connection.execute(_sql("GRANT USAGE ON SCHEMA {} TO {}", service, role))
        for rights in _RIGHTS:
            grant = "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT " + rights + " TO {}"
            connection.execute(_sql(grant, OWNER, service, role))
    for companion, service in COMPANIONS.items():  # uses what it is given in the service's schema, and owns none
        connection.execute(_sql("GRANT USAGE ON SCHEMA {} TO {}", service, role_of(companion)))
    connection.execute(_sql("CREATE EXTENSION IF NOT EXISTS vector SCHEMA {}", EXTENSIONS))


def _ensure(connection: Connection, role: str, options: sql.Composable) -> None:
    """Create or alter a role. New ones have no power by default; an old one that was given any is refused, because
    taking it away needs a superuser, which a managed PostgreSQL does not offer."""
    known = connection.execute(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
        " FROM pg_roles WHERE rolname = %s",
        [role],
    ).fetchone()
    if known is not None and known[0]:
        raise FailedPrecondition("ROLE_TOO_POWERFUL", f"the database role {role} has powers that it must not have")
    verb = sql.SQL("CREATE ROLE") if known is None else sql.SQL("ALTER ROLE")
    connection.execute(sql.SQL("{} {} {}").format(verb, sql.Identifier(role), options))


def _grant(connection: Connection, group: str, role: str) -> None:
    connection.execute(_sql("GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", group, role))


def _sql(template: str, *names: str, value: str | None = None) -> sql.Composed:
    """Fill identifiers, then one literal, into a constant statement."""
    values: list[sql.Composable] = [sql.Identifier(name) for name in names]
    if value is not None:
        values.append(sql.Literal(value))
    return sql.SQL(template).format(*values)
