"""One server program as a child of this process: spawned, watched, stopped, and its leftovers cleared away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from embedded import launch
from embedded.datafolder import DataFolder
from embedded.errors import ServerFailedError

_log = logging.getLogger("hauberk.embedded")
READY_SECONDS = 30.0
_LEFTOVER_SECONDS = 20.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class ManagedServer(ABC):
    """A server the supervisor can start, again and again, and stop.

    `start` returns when the server answers and raises ServerFailedError when it does not within 30 s.
    """

    name: ClassVar[str]
    program: ClassVar[str]
    stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]]
    """Tried in order, each with the seconds it is given; SIGKILL comes after the last."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @abstractmethod
    async def _prepare(self) -> list[str]:
        """Bring files in order and return the command to run; called before each start."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether the server serves a request with its password right now."""

    @abstractmethod
    def _pid_file(self) -> Path:
        """The file in which the server writes its process id."""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> Self:
        """Start the server and wait until it answers. What an earlier run left behind is cleared away first."""
        if self.pid is not None:
            return self
        await self._clear_leftover()
        command = await self._prepare()
        try:
            self._process = await self._spawn(command, self.folder.log(self.name))
            await self._wait_ready()
        except BaseException:
            await self._kill()
            raise
        _log.info("%s answers", self.name)
        return self

    async def stop(self) -> None:
        """Stop in good order; a server that does not obey is killed."""
        process = self._process
        if process is None:
            return
        for number, seconds in self.stop_signals:
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
        await self._kill()
        self._process = None

    async def exited(self) -> int:
        """Wait until the process has ended."""
        return await self._process.wait() if self._process is not None else 0

    async def _kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self, command: Sequence[str], log: Path) -> asyncio.subprocess.Process:
        account = self.folder.account
        uid, gid = (account.uid, account.gid) if account is not None else (-1, -1)
        prefix = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        prefix += [str(int(self.stop_signals[0][0])), str(uid), str(gid), "--"]
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *prefix,
                *command,
                cwd="/",
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # ^C in the terminal is for the supervisor alone
            )
        finally:
            os.close(output)

    async def run_once(self, command: Sequence[str]) -> None:
        """Run a helper program of the server to its end."""
        process = await self._spawn(command, self.folder.log(self.name))
        try:
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if code != 0:
            raise ServerFailedError(f"{self.name} could not be set up: see {self.folder.log(self.name)}")

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.pid is not None:
            if await self._answers():
                return
            await asyncio.sleep(0.03)
        raise ServerFailedError(f"{self.name} did not start: see {self.folder.log(self.name)}")

    async def _clear_leftover(self) -> None:
        """End a server that outlived an earlier run. The folder's lock is ours, so it can belong to nobody else."""
        file = self._pid_file()
        try:
            pid = int(file.read_text(encoding="ascii").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        signals = [number for number, _ in self.stop_signals]
        while _runs(pid, self.program):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signals.pop(0) if signals else 0)
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
        file.unlink(missing_ok=True)


def _runs(pid: int, program: str) -> bool:
    """Whether `pid` is alive and runs `program` (a process id may have been given to another one since)."""
    status = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux":
        try:
            text = status.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        name, _, rest = text.partition("(")[2].rpartition(")")
        return name == program and not rest.startswith(" Z")
    found = subprocess.run(  # noqa: S603 - a number and a constant
        ["/bin/ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True, check=False
    )
    return Path(found.stdout.strip()).name == program
