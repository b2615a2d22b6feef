"""What the proof `overspend` runs on: a Redis, and for the ledger a PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.redis_servers import Node, one_server
from embedded.datafolder import DataFolder
from embedded.postgres import PostgresServer
from services.kit.database_roles import ROLES, role_of
from services.kit.migrate import prepare_database
from services.kit.org_proof import mint

_KID = "proof"
_PASSWORD = "proof"


@dataclass(frozen=True)
class House:
    """Addresses. `database` and `admin` are empty where there is no ledger."""

    node: Node
    database: str = ""
    admin: str = ""
    key: bytes = b""

    @property
    def redis(self) -> str:
        """For `services.kit.redis.RedisStore`."""
        return f"redis://127.0.0.1:{self.node.port}"

    def proof(self, org: str) -> str:
        """A proof that outlives the run."""
        return mint(org, time.time() + 7200, _KID, self.key) if self.key else ""


@asynccontextmanager
async def opened(*, database: bool) -> AsyncIterator[House]:
    """The servers, running."""
    async with one_server() as node:
        if not database:
            yield House(node)
            return
        base = Path(tempfile.mkdtemp(prefix="hk-bench-"))
        base.chmod(0o711)  # noqa: ASYNC240 - once; an unprivileged account must be able to walk through it
        key = os.urandom(32)
        try:
            with DataFolder(base / "data") as folder:
                postgres = PostgresServer(folder)
                await postgres.start()
                try:
                    prepare_database(postgres.admin_dsn, dict.fromkeys(ROLES, _PASSWORD), {_KID: key})
                    yield House(node, postgres.role_dsn(role_of("ratelimit"), _PASSWORD), postgres.admin_dsn, key)
                finally:
                    await postgres.stop()
        finally:
            shutil.rmtree(base, ignore_errors=True)
