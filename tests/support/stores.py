"""Real PostgreSQL and Redis for tests, prepared like a real installation."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.datafolder import DataFolder
from embedded.postgres import PostgresServer
from embedded.redis import RedisServer
from embedded.supervisor import Supervisor
from services.kit.database_roles import ROLES, role_of
from services.kit.migrate import prepare_database
from services.kit.org_proof import mint

ORG_KID = "test-1"
ORG_KEY = bytes(range(32))


@dataclass(frozen=True)
class DataStores:
    """The running servers and what is needed to use them as a service, an attacker or an administrator."""

    supervisor: Supervisor
    postgres: PostgresServer
    redis: RedisServer
    passwords: dict[str, str]

    @property
    def admin_dsn(self) -> str:
        return self.postgres.admin_dsn

    @property
    def redis_url(self) -> str:
        return self.redis.url

    def service_dsn(self, service: str) -> str:
        """The connection string of a service's own role."""
        return self.postgres.role_dsn(role_of(service), self.passwords[service])

    def proof(self, org: str, seconds: float = 60, *, key: bytes = ORG_KEY, kid: str = ORG_KID) -> str:
        """An `org_mac` claim, like auth would mint it."""
        return mint(org, time.time() + seconds, kid, key)


@dataclass(frozen=True)
class Holder:
    """Stands for a caller: only its proof matters to the database."""

    org_mac: str


def make_folder() -> Path:
    """A fresh folder that an unprivileged account may walk through, when the tests run as root."""
    base = Path(tempfile.mkdtemp(prefix="hk-test-"))
    base.chmod(0o711)
    return base


@asynccontextmanager
async def servers(base: Path) -> AsyncIterator[tuple[DataFolder, Supervisor, PostgresServer, RedisServer]]:
    """Both servers in a data folder under `base`, running."""
    with DataFolder(base / "data") as folder:
        postgres, redis = PostgresServer(folder), RedisServer(folder)
        async with Supervisor([postgres, redis]) as supervisor:
            yield folder, supervisor, postgres, redis


@asynccontextmanager
async def prepared_stores() -> AsyncIterator[DataStores]:
    """Both servers with every migration applied."""
    base = make_folder()
    try:
        async with servers(base) as (_, supervisor, postgres, redis):
            passwords = {role: f"pw-{role}" for role in ROLES}
            prepare_database(postgres.admin_dsn, passwords, {ORG_KID: ORG_KEY})
            yield DataStores(supervisor, postgres, redis, passwords)
    finally:
        shutil.rmtree(base, ignore_errors=True)
