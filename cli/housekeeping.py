"""What retention works on: the roles of every service, Redis, keys, the archive; of a data folder or a production."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.errors import CliError
from services.audit.adapters.archives import ArchiveFolder
from services.audit.adapters.retention import PostgresRetention
from services.audit.flows.retention import Retention
from services.audit.flows.retention_trail import Trail
from services.audit.policy.retention import PolicyError, RetentionPolicy, parse
from services.audit.retention import OWNED as AUDIT
from services.audit.signatures import CheckpointSigner
from services.auth.retention import OWNED as AUTH
from services.context_token.retention import OWNED as CONTEXT_TOKEN
from services.guardrail.retention import OWNED as GUARDRAIL
from services.kit.clock import Clock, SystemClock
from services.kit.database_roles import role_of
from services.kit.keys import KeyRing
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.retention_redis import overstaying
from services.kit.retention_store import PostgresExpirer, plans
from services.ratelimit.retention import OWNED as RATELIMIT
from services.redaction.retention import OWNED as REDACTION
from services.tenancy.retention import OWNED as TENANCY

OWNED = (AUTH, TENANCY, RATELIMIT, REDACTION, GUARDRAIL, CONTEXT_TOKEN, AUDIT)
_SECONDS = 60.0
_REDIS_SECONDS = 5.0


@dataclass(frozen=True)
class Place:
    """`dsn` gives the connection string of one of `database_roles.ROLES`."""

    dsn: Callable[[str], str] = field(repr=False)
    redis_url: str = field(repr=False)
    keys: Path
    archive: Path


@dataclass(frozen=True)
class House:
    """Retention, opened."""

    retention: Retention
    journal: PostgresRetention
    policy: RetentionPolicy
    archive: ArchiveFolder
    signer: CheckpointSigner


def policy_of(path: Path) -> RetentionPolicy:
    """The policy of a file. Raises CliError."""
    try:
        return parse(yaml.safe_load(path.read_bytes()), OWNED)
    except (OSError, yaml.YAMLError) as error:
        raise CliError(f"{path} cannot be read ({type(error).__name__})") from None
    except PolicyError as error:
        raise CliError(f"{path}: {error}") from None


@asynccontextmanager
async def place_of(args: argparse.Namespace) -> AsyncIterator[Place]:
    """What the arguments name: a production, or a data folder, whether its stack runs or not."""
    if args.passwords is not None:
        yield _production(args)
        return
    from embedded.administration import running_stores_of
    from embedded.layout import Layout
    from embedded.stack import running_stores

    if not (args.data / "hauberk.json").is_file():
        raise CliError(f"{args.data} is no data folder of `hauberk up`: give --data, or --passwords for a production")
    layout = Layout(args.data)
    archive = args.archive or layout.folder / "archive"
    running = running_stores_of(args.data)
    if running is not None:
        yield Place(running.dsn, running.redis_url, layout.keys, archive)
        return
    async with running_stores(args.data) as stores:
        yield Place(stores.database_url, stores.redis.url, layout.keys, archive)


def _production(args: argparse.Namespace) -> Place:
    redis_url = args.redis_url or os.environ.get("HAUBERK_REDIS_URL", "")
    if not (args.database_url and redis_url and args.keys and args.archive):
        raise CliError("--passwords: give --database-url, --redis-url, --keys and --archive as well")
    where = conninfo_to_dict(args.database_url)

    def dsn(role: str) -> str:
        try:
            password = (args.passwords / f"{role}.password").read_text(encoding="utf-8").strip()
        except OSError:
            raise CliError(f"{args.passwords}/{role}.password cannot be read: see `hauberk prepare`") from None
        return make_conninfo("", **{**where, "user": role_of(role), "password": password})

    return Place(dsn, redis_url, args.keys, args.archive)


@asynccontextmanager
async def house_at(place: Place, policy: RetentionPolicy, clock: Clock | None = None) -> AsyncIterator[House]:
    """Opens every door with its own role."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as exits:
        databases: dict[str, Database] = {}
        for service in (own.service for own in OWNED if own.rows):
            database = Database(
                place.dsn(f"{service}_retention"), max_size=2, acquire_seconds=5.0, statement_seconds=_SECONDS
            )
            await database.open()
            exits.push_async_callback(database.close)
            databases[service] = database
        redis = RedisStore(place.redis_url, _REDIS_SECONDS)
        exits.push_async_callback(redis.close)
        signer = CheckpointSigner(KeyRing(place.keys, dict(os.environ)))
        journal = PostgresRetention(databases["audit"], place.dsn("audit_retention"))
        archive = ArchiveFolder(place.archive)

        async def look(policy: RetentionPolicy) -> Sequence[str]:
            return await overstaying(redis, OWNED, policy.volatile)

        retention = Retention(
            OWNED,
            {service: PostgresExpirer(database, service) for service, database in databases.items()},
            journal,
            Trail(journal, archive, signer, signer.jwks),
            clock,
            lambda: plans(databases["tenancy"]),
            look,
        )
        yield House(retention, journal, policy, archive, signer)


@asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[House]:
    """By the arguments of a command."""
    policy = policy_of(args.policy)
    async with place_of(args) as place, house_at(place, policy) as house:
        yield house
