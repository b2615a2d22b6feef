"""The embedded PostgreSQL and Redis: killed, restarted, taken over, locked; nothing lost, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
import redis as redis_sync
import redis.asyncio as aioredis
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.account import can_reach, reachable_program, service_account
from embedded.datafolder import DataFolder
from embedded.errors import EmbeddedError, FolderInUseError
from embedded.postgres import PostgresServer
from embedded.redis import RedisServer
from embedded.supervisor import Backoff, Supervisor
from services.kit.database_roles import ROLES
from services.kit.errors import Unavailable
from services.kit.migrate import prepare_database
from services.kit.postgres import Database
from tests.support.stores import ORG_KEY, ORG_KID, DataStores, make_folder, servers

NO_RETRY = Retry(NoBackoff(), 0)
CHILD = """
import asyncio, sys
from pathlib import Path
from tests.support.stores import servers

async def main() -> None:
    async with servers(Path(sys.argv[1])) as (_, supervisor, _, _):
        print(*supervisor.pids().values(), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(data_stores: DataStores) -> AsyncIterator[DataStores]:
    """Servers of this module, which kills them."""
    base = make_folder()
    async with servers(base) as (folder, supervisor, postgres, redis):
        passwords = dict.fromkeys(ROLES, "pw")
        prepare_database(postgres.admin_dsn, passwords, {ORG_KID: ORG_KEY})
        yield DataStores(supervisor, postgres, redis, passwords)
        await supervisor.stop()
        folder.remove()
    base.rmdir()


async def kill(supervisor: Supervisor, name: str) -> float:
    """Kill -9 and wait until the server answers again; the seconds it took."""
    before = supervisor.restarts()[name]
    started = time.monotonic()
    os.kill(supervisor.pids()[name], signal.SIGKILL)
    while supervisor.restarts()[name] == before:
        assert time.monotonic() - started < 15
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def test_postgres_killed_comes_back_with_its_data(own: DataStores) -> None:
    with psycopg.connect(own.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE TABLE kept (n int)")
        admin.execute("INSERT INTO kept SELECT generate_series(1, 500)")
    db = Database(own.service_dsn("audit"), min_size=3)
    await db.open()
    async with db.anonymous() as conn:
        await conn.execute("SELECT 1")
    assert await kill(own.supervisor, "postgres") < 5
    started = time.monotonic()
    async with db.anonymous() as conn:  # the pool's connections are all dead now
        await conn.execute("SELECT 1")
    assert time.monotonic() - started < 1
    await db.close()
    with psycopg.connect(own.admin_dsn) as admin:
        assert admin.execute("SELECT count(*) FROM kept").fetchone() == (500,)


async def test_every_answer_during_an_outage_comes_in_time(own: DataStores) -> None:
    db = Database(own.service_dsn("audit"))
    await db.open()
    slowest, refused, answered = 0.0, 0, 0
    outage = asyncio.create_task(kill(own.supervisor, "postgres"))
    while not outage.done() or answered == 0:
        started = time.monotonic()
        try:
            async with db.anonymous() as conn:
                await conn.execute("SELECT 1")
            answered += 1
        except Unavailable:
            refused += 1
        slowest = max(slowest, time.monotonic() - started)
        await asyncio.sleep(0.01)
    assert slowest < 1.5
    await outage
    await db.close()


async def test_redis_killed_comes_back_with_its_data(own: DataStores) -> None:
    async with aioredis.Redis.from_url(own.redis_url) as client:
        await client.set("kept", "yes")
        await asyncio.sleep(1.2)  # the append-only file is synced every second
        assert await kill(own.supervisor, "redis") < 5
        assert await client.get("kept") == b"yes"


def test_redis_refuses_strangers_and_dangerous_commands(own: DataStores) -> None:
    path = str(own.redis.socket)
    for password in (None, "wrong"):
        with (
            redis_sync.Redis(unix_socket_path=path, password=password, protocol=2, retry=NO_RETRY) as stranger,
            pytest.raises(redis_sync.AuthenticationError),
        ):
            stranger.ping()
    with redis_sync.Redis.from_url(own.redis_url) as client:
        for attempt in (
            lambda: client.config_set("dir", "/"),
            client.module_list,
            lambda: client.replicaof("host", 1),
            lambda: client.migrate("host", 1, ["key"], 0, 100),
        ):
            with pytest.raises(redis_sync.ResponseError, match="unknown command"):
                attempt()
        assert client.info("server")["tcp_port"] == 0


async def test_nothing_in_the_folder_is_open_to_others(own: DataStores) -> None:
    folder = own.postgres.folder
    for path in (folder.path, *folder.path.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink():
            continue
        if path in (folder.path, folder.servers / "conf") and folder.account is not None:
            assert mode & 0o066 == 0, path  # others may walk through, not look
        else:
            assert mode & 0o077 == 0 or path.parent == folder.run, path
    assert stat.S_IMODE((folder.path / "secrets" / "postgres").stat().st_mode) == 0o600


async def test_servers_do_not_run_as_root(own: DataStores) -> None:
    account = own.postgres.folder.account
    expected = os.geteuid() if account is None else account.uid
    assert expected != 0
    for pid in own.supervisor.pids().values():
        assert Path(f"/proc/{pid}").stat().st_uid == expected


def test_a_folder_has_one_user_at_a_time(own: DataStores) -> None:
    path = own.postgres.folder.path
    with pytest.raises(FolderInUseError) as caught:
        DataFolder(path)
    assert str(path) in str(caught.value)
    assert str(os.getpid()) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_servers_die_with_a_killed_parent_and_the_folder_starts_again() -> None:
    base = make_folder()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(base), stdout=subprocess.PIPE)
    assert child.stdout is not None
    pids = [int(pid) for pid in (await child.stdout.readline()).split()]
    assert len(pids) == 2
    child.kill()
    await child.communicate()
    async with servers(base) as (folder, supervisor, _, _):  # at once, while they may still be going
        assert not set(supervisor.pids().values()) & set(pids)
        assert not any(alive(pid) for pid in pids)
        await supervisor.stop()
        folder.remove()
    base.rmdir()


async def test_a_server_that_outlived_its_parent_is_ended() -> None:
    base = make_folder()
    with DataFolder(base / "data") as folder:
        first = await RedisServer(folder).start()
        second = await RedisServer(folder).start()  # a new run that knows nothing of the first but the files
        assert first.pid is None
        assert second.pid is not None
        await second.stop()
        folder.remove()
    base.rmdir()


async def test_a_folder_the_account_cannot_reach_is_served_from_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with DataFolder(tmp_path / "data") as folder:
        if folder.account is not None:
            assert folder.servers != folder.path
            assert can_reach(folder.servers, folder.account)
        redis = await RedisServer(folder).start()
        await redis.stop()
        folder.remove()
        assert not folder.servers.exists()
    installed = tmp_path / "installed"
    (installed / "bin").mkdir(parents=True)
    program = installed / "bin" / "tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    found = reachable_program(installed, "bin/tool", service_account())
    assert found.read_text() == "#!/bin/sh\n"
    assert can_reach(found, service_account())
    if found != program:
        (found).unlink()
        found.parent.rmdir()
        found.parent.parent.rmdir()


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    tmp_path.chmod(0o755)
    with pytest.raises(EmbeddedError, match="not empty"):
        DataFolder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_backoff_grows_and_forgets() -> None:
    backoff = Backoff(first=0.1, most=1.0, calm=10)
    waits = [0.0]
    for _ in range(6):
        waits.append(backoff.after(waits[-1], 0.5))
    assert waits[1:] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.after(1.0, 11) == 0.0


async def test_a_failed_start_leaves_nothing_running() -> None:
    base = make_folder()
    with DataFolder(base / "data") as folder:
        postgres, redis = PostgresServer(folder), RedisServer(folder)
        (folder.servers / "postgres").mkdir()  # not a cluster
        with pytest.raises(EmbeddedError, match=r"see .*log"):
            await Supervisor([postgres, redis]).start()
        assert (postgres.pid, redis.pid) == (None, None)
        folder.remove()
    base.rmdir()


def alive(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except FileNotFoundError:
        return False
