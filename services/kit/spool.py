"""A durable queue of records in a folder: what `append` returned for is on disk and survives a crash.

Records lie in segment files, each record with its length and checksum. Whatever has come in meanwhile is written and
synced at once (group commit): in the loop on a quick disk, else by a writer thread. One reader takes batches and
acknowledges them; a segment goes when all of it is acknowledged. After a restart what is left is read again from the
segment's beginning: delivery is at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from services.kit.logs import logger
from services.kit.segments import FRAME_OVERHEAD, Segment, frame, read_frames

LIMIT = 256 * 1024 * 1024
SEGMENT = 1024 * 1024
_WRITE_AT_ONCE = 512
# A disk that syncs so fast is waited for in the loop: to wake a thread and be woken by it takes longer, and the loop is
# stopped for less time than by a turn of anything else. One that stalls is met so once; then the thread waits for it.
_QUICK_SECONDS, _SLOW_SECONDS, _WEIGHT = 0.0005, 0.01, 0.2
_READ_AT_ONCE = 1024 * 1024
Waiting = tuple[bytes, asyncio.Future[None]]
"""A record as it will be written, and who waits for that."""


class SpoolFullError(Exception):
    """There is no room: nothing was kept."""


class SpoolBusyError(Exception):
    """Another process holds the folder."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in order, and where they end."""

    records: list[bytes]
    segment: Segment
    end: int


class Spool:
    """`append` from any task, `take` and `acknowledge` from one. Raises OSError when the folder cannot be used."""

    def __init__(self, folder: Path, *, limit: int = LIMIT, segment: int = SEGMENT) -> None:
        """Takes the folder for this process; raises SpoolBusyError when another has it."""
        self.folder = folder
        self._limit, self._segment = limit, segment
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._lock = _locked(folder)
        self._segments = deque(Segment.left_in(folder))
        self._next = max((each.number for each in self._segments), default=0) + 1
        self._file = -1
        self._unacknowledged = sum(each.size for each in self._segments)
        self._queue: deque[Waiting] = deque()
        self._handing_over = threading.Lock()
        self._writing = False
        # Not an executor: its futures and locks cost as much again as what is to be done.
        self._wanted: SimpleQueue[asyncio.AbstractEventLoop | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._pace = _SLOW_SECONDS  # of the disk, until it was measured
        self._closed = False
        self.arrived = asyncio.Event()
        self.damaged = 0

    @property
    def waiting(self) -> int:
        """Bytes that are not acknowledged yet."""
        return self._unacknowledged

    async def append(self, record: bytes) -> None:
        """Returns once the record is on disk. Raises SpoolFullError, or OSError when the disk does not take it; then
        the record may still come out, as after a crash."""
        framed = frame(record)
        if self._closed or self._unacknowledged + len(framed) > self._limit:
            raise SpoolFullError
        self._unacknowledged += len(framed)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        with self._handing_over:
            self._queue.append((framed, done))
            begin, self._writing = not self._writing, True
        if begin:
            # At the end of this turn of the loop: what else comes in it shares the sync.
            loop.call_soon(self._begin_writing, loop)
        await done

    def _begin_writing(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._pace < _QUICK_SECONDS and self._file >= 0 and self._segments[-1].size < self._segment:
            self._flush(self._settle)
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_on, name="spool", daemon=True)
            self._writer.start()
        self._wanted.put(loop)

    def _write_on(self) -> None:
        """The writer thread."""
        while (loop := self._wanted.get()) is not None:
            self._flush(lambda *outcome, loop=loop: loop.call_soon_threadsafe(self._settle, *outcome))

    def _flush(self, settle: Callable[[list[Waiting], OSError | None], object]) -> None:
        """Until nothing waits any more: a task in between would cost each record a turn of the loop."""
        while taken := self._taken():
            failed: OSError | None = None
            try:
                self._write(b"".join(framed for framed, _ in taken))
            except OSError as error:
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                settle(taken, failed)

    def _taken(self) -> list[Waiting]:
        with self._handing_over:
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), _WRITE_AT_ONCE))]
            self._writing = bool(taken)
            return taken

    def _settle(self, taken: list[Waiting], failed: OSError | None) -> None:
        if failed is not None:
            self._unacknowledged -= sum(len(framed) for framed, _ in taken)
        for _, done in taken:
            if done.done():  # its waiter was cancelled
                continue
            if failed is None:
                done.set_result(None)
            else:
                done.set_exception(failed)
        self.arrived.set()

    def _write(self, data: bytes) -> None:
        """After a failure the segment is left as it was and a new one begun: what a failed sync has really written
        nobody can tell."""
        try:
            if self._file < 0 or self._segments[-1].size >= self._segment:
                self._begin_segment()
            rest, at = memoryview(data), self._segments[-1].size
            while rest:
                written = os.pwrite(self._file, rest, at)
                rest, at = rest[written:], at + written
            started = time.perf_counter()
            os.fdatasync(self._file)
            self._pace += _WEIGHT * (time.perf_counter() - started - self._pace)
        except OSError:
            self._end_segment()
            raise
        self._segments[-1].size += len(data)

    def _begin_segment(self) -> None:
        self._end_segment()
        segment = Segment(self.folder, self._next)
        self._next += 1
        self._file = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._segments.append(segment)
        os.pwrite(self._file, bytes(self._segment), 0)
        _sync_folder(self.folder)

    def _end_segment(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):  # zeros that stay are known for what they are
                os.ftruncate(self._file, self._segments[-1].size)
            os.close(self._file)
            self._file = -1
            self._segments[-1].sealed = True

    def take(self, records: int) -> Batch | None:
        """The next records that are not acknowledged; None when there are none. May run in a thread."""
        while self._segments:
            segment = self._segments[0]
            sealed = segment.sealed  # before its size is read: a sealed one grows no more
            data = segment.read(_READ_AT_ONCE)
            found = read_frames(data, records)
            if found.records:
                return Batch(found.records, segment, segment.offset + found.end)
            if not sealed:
                return None
            self._leave(segment, data, torn=found.torn)
        return None

    def acknowledge(self, batch: Batch) -> None:
        """These records need not be kept any more."""
        self._unacknowledged -= batch.end - batch.segment.offset
        batch.segment.offset = batch.end

    def _leave(self, segment: Segment, rest: bytes, *, torn: bool) -> None:
        """A segment with nothing more to read goes; one that is damaged before its end is set aside, not deleted."""
        self._segments.popleft()
        self._unacknowledged -= segment.size - segment.offset
        if not rest or torn:
            segment.path.unlink(missing_ok=True)
            return
        self.damaged += 1
        segment.path.replace(segment.path.with_suffix(".damaged"))
        logger().error("spool.segment_damaged", segment=segment.number)

    def set_aside(self, record: bytes) -> None:
        """Keeps a record that nobody will ever take where a person can look at it."""
        handle = os.open(self.folder / "refused", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, frame(record))
            os.fdatasync(handle)
        finally:
            os.close(handle)

    async def close(self) -> None:
        """Writes what was handed in and lets the folder go; nothing can be appended afterwards."""
        self._closed = True
        await asyncio.sleep(0)  # what came in this turn has been handed to the writer
        if self._writer is not None:
            self._wanted.put(None)
            await asyncio.to_thread(self._writer.join)
        self._end_segment()
        while self._segments and self._segments[0].offset >= self._segments[0].size:
            self._segments.popleft().path.unlink(missing_ok=True)
        os.close(self._lock)


def _locked(folder: Path) -> int:
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise SpoolBusyError from None
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["FRAME_OVERHEAD", "LIMIT", "SEGMENT", "Batch", "Spool", "SpoolBusyError", "SpoolFullError"]
