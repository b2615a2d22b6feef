"""The way to the database of a stack that runs already: for commands that change what a running stack accepts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from embedded.errors import EmbeddedError
from embedded.layout import Layout, read_running
from embedded.postgres import ADMIN, DATABASE
from services.kit.database_roles import role_of


def admin_dsn_of(folder: Path) -> str:
    """The superuser's connection string, or nothing when no stack runs in the folder. Raises EmbeddedError."""
    if read_running(folder) is None:
        return ""
    place = Layout(folder).folder
    elsewhere = place / "run.path"
    servers = place / "servers"
    inside = (servers if servers.is_symlink() else place) / "run"
    try:
        host = elsewhere.read_text(encoding="utf-8") if elsewhere.exists() else str(inside)
        password = (place / "secrets" / "postgres").read_text(encoding="utf-8")
    except OSError:
        raise EmbeddedError(f"{folder} cannot be read: it belongs to another account") from None
    return make_conninfo("", host=host, port=5432, dbname=DATABASE, user=ADMIN, password=password)


@dataclass(frozen=True, slots=True)
class RunningStores:
    """The stores of a stack that runs already."""

    folder: Path
    host: str

    def dsn(self, role: str) -> str:
        """The connection string of one role of `database_roles.ROLES`."""
        return make_conninfo(
            "", host=self.host, port=5432, dbname=DATABASE, user=role_of(role), password=self._secret(f"role-{role}")
        )

    @property
    def redis_url(self) -> str:
        """The URL of Redis, with its password."""
        return f"unix://:{quote(self._secret('redis'), safe='')}@{self.host}/redis.sock"

    def _secret(self, name: str) -> str:
        try:
            return (self.folder / "secrets" / name).read_text(encoding="utf-8")
        except OSError:
            raise EmbeddedError(f"{self.folder} was made by an earlier version: start it once with this one") from None


def running_stores_of(folder: Path) -> RunningStores | None:
    """None when no stack runs in the folder. Raises EmbeddedError."""
    admin = admin_dsn_of(folder)
    return RunningStores(Layout(folder).folder, str(conninfo_to_dict(admin)["host"])) if admin else None
