"""The way to the database of a stack that runs already: for commands that change what a running stack accepts."""

from __future__ import annotations

from pathlib import Path

from psycopg.conninfo import make_conninfo

from embedded.errors import EmbeddedError
from embedded.layout import Layout, read_running
from embedded.postgres import ADMIN, DATABASE


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
