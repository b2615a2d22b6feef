"""The spool: order, crash, torn and damaged records, bounds, group commit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.segments import extent, frame, read_frames
from services.kit.spool import Spool, SpoolBusyError, SpoolFullError
from tests.support.compose import ROOT


def everything(spool: Spool, at_once: int = 7) -> list[bytes]:
    return list(drained(spool, at_once))


def drained(spool: Spool, at_once: int) -> Iterator[bytes]:
    while batch := spool.take(at_once):
        yield from batch.records
        spool.acknowledge(batch)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def leave(spool: Spool) -> None:
    """Lets go of the folder like a process that dies."""
    os.close(spool._lock)


async def filled(folder: Path, count: int, **limits: int) -> Spool:
    spool = Spool(folder, **limits)
    for number in range(count):
        await spool.append(b"record-%d" % number)
    return spool


async def test_in_order_and_gone_when_acknowledged(tmp_path: Path) -> None:
    spool = await filled(tmp_path / "s", 100, segment=200)
    assert everything(spool) == [b"record-%d" % number for number in range(100)]
    assert spool.waiting == 0
    await spool.close()
    assert files(tmp_path / "s") == []


async def test_private_files(tmp_path: Path) -> None:
    spool = await filled(tmp_path / "s", 1)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "s").iterdir())
    with pytest.raises(SpoolBusyError):
        Spool(tmp_path / "s")
    await spool.close()


async def test_a_restart_finds_what_is_left(tmp_path: Path) -> None:
    spool = await filled(tmp_path, 50, segment=200)
    batch = spool.take(30)
    assert batch is not None
    spool.acknowledge(batch)
    leave(spool)
    again = await filled(tmp_path, 0)
    found = everything(again)
    assert found[-1] == b"record-49"
    assert found == [b"record-%d" % number for number in range(50 - len(found), 50)]
    assert again.waiting == 0
    await again.append(b"new")
    assert everything(again) == [b"new"]
    await again.close()


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("cut", range(1, len(frame(b"record-9"))))
async def test_a_torn_last_record_is_no_record(tmp_path: Path, cut: int, zeros: bool) -> None:
    leave(await filled(tmp_path, 10))
    (path,) = tmp_path.glob("*.seg")
    end = extent(path.read_bytes())
    if zeros:
        with path.open("r+b") as file:
            file.seek(end - cut)
            file.write(bytes(cut))
    else:
        os.truncate(path, end - cut)
    again = Spool(tmp_path)
    assert everything(again) == [b"record-%d" % number for number in range(9)]
    assert (again.waiting, again.damaged) == (0, 0)
    await again.close()


async def test_zeros_at_the_end_are_no_record(tmp_path: Path) -> None:
    leave(await filled(tmp_path, 3))
    (path,) = tmp_path.glob("*.seg")
    os.truncate(path, path.stat().st_size + 4096)
    again = Spool(tmp_path)
    assert len(everything(again)) == 3
    assert again.damaged == 0
    await again.close()


async def test_zeros_that_were_never_written_over_take_no_room(tmp_path: Path) -> None:
    leave(await filled(tmp_path, 3))
    (path,) = tmp_path.glob("*.seg")
    assert path.stat().st_size > 100_000, "a process that dies leaves the whole file"
    again = await filled(tmp_path, 1)
    assert again.waiting == 4 * len(frame(b"record-0"))
    assert everything(again) == [*(b"record-%d" % number for number in range(3)), b"record-0"]
    await again.close()
    assert files(tmp_path) == []


async def test_a_closed_file_ends_with_its_last_record(tmp_path: Path) -> None:
    spool = await filled(tmp_path, 3)
    await spool.close()
    (path,) = tmp_path.glob("*.seg")
    assert path.stat().st_size == 3 * len(frame(b"record-0"))


async def test_a_damaged_segment_is_set_aside_and_the_next_is_read(tmp_path: Path) -> None:
    leave(await filled(tmp_path, 40, segment=200))
    first, *_ = sorted(tmp_path.glob("*.seg"))
    data = bytearray(first.read_bytes())
    data[len(frame(b"record-0")) + 9] ^= 1  # in the second record
    first.write_bytes(data)
    again = Spool(tmp_path)
    found = everything(again)
    assert found[0] == b"record-0"
    assert found[-1] == b"record-39"
    assert (again.waiting, again.damaged) == (0, 1)
    await again.close()
    assert files(tmp_path) == [first.with_suffix(".damaged").name]


async def test_full_is_full_until_something_is_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=200)
    kept = 0
    with pytest.raises(SpoolFullError):
        for _ in range(100):
            await spool.append(b"x" * 20)
            kept += 1
    assert kept == 200 // len(frame(b"x" * 20))
    assert len(everything(spool)) == kept
    await spool.append(b"x" * 20)
    leave(spool)
    again = Spool(tmp_path, limit=40)  # what was left counts
    with pytest.raises(SpoolFullError):
        await again.append(b"x" * 20)
    await again.close()


async def test_one_sync_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real = os.fdatasync

    def counted(handle: int) -> None:
        syncs.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", counted)
    spool = Spool(tmp_path)
    await asyncio.gather(*(spool.append(b"%d" % number) for number in range(300)))
    assert len(syncs) <= 3
    assert everything(spool, 300) == [b"%d" % number for number in range(300)]
    await spool.close()


async def test_a_disk_that_refuses_is_said_and_overcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = await filled(tmp_path, 2)

    def full(handle: int) -> None:
        raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError):
            await spool.append(b"lost")
    await spool.append(b"kept")
    assert everything(spool) == [b"record-0", b"record-1", b"kept"]
    assert spool.waiting == 0
    await spool.close()


async def test_a_cancelled_waiter_does_not_hold_up_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    waiters = [asyncio.ensure_future(spool.append(b"%d" % number)) for number in range(5)]
    await asyncio.sleep(0)
    waiters[2].cancel()
    done = await asyncio.gather(*waiters, return_exceptions=True)
    assert sum(each is None for each in done) == 4
    assert set(everything(spool)) >= {b"0", b"1", b"3", b"4"}
    await spool.close()


def test_what_append_returned_for_survives_a_kill(tmp_path: Path) -> None:
    """A process that is killed while it writes: everything it had been told is kept, comes out."""
    program = """
        import asyncio, sys
        from pathlib import Path
        from services.kit.spool import Spool

        async def run():
            spool = Spool(Path(sys.argv[1]), segment=2000)
            for number in range(10**6):
                await asyncio.gather(*(spool.append(b"%d" % (number * 8 + part)) for part in range(8)))
                print(number * 8 + 7, flush=True)

        asyncio.run(run())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        last = 0
        while last < 2000:
            last = int(process.stdout.readline())
        process.kill()
        last = max([last, *map(int, process.stdout.read().splitlines(keepends=False))])
    found = {int(record) for record in everything(Spool(tmp_path), 500)}
    assert found >= set(range(last + 1))


def test_frames_of_any_bytes_never_fail() -> None:
    for junk in (b"", b"\x01", b"\xff" * 40, bytes(40), frame(b"a") + b"\x05\x00\x00\x00", b"\x00" * 8 + b"x"):
        read_frames(junk, 10)
    assert read_frames(frame(b"a") + frame(b"b"), 10).records == [b"a", b"b"]
    for wrong in (b"", b"x" * 70_000):
        with pytest.raises(ValueError, match="1 to 65536"):
            frame(wrong)


async def test_a_quick_disk_is_waited_for_in_the_loop_and_one_that_stalls_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace, threads = 0.0, []

    def sync(_: int) -> None:
        threads.append(threading.current_thread().name)
        time.sleep(pace)

    monkeypatch.setattr(os, "fdatasync", sync)
    spool = await filled(tmp_path, 40)
    assert {threads[0], threads[-1]} == {"spool", "MainThread"}, "what is not measured yet may stall"
    pace = 0.02
    for _ in range(3):
        await spool.append(b"late")
    assert threads[-2:] == ["spool", "spool"]
    assert len(everything(spool)) == 43
    await spool.close()
