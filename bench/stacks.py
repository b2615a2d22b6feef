"""The stacks that benchmarks ask, each in a folder of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from embedded.client import Connection
from embedded.datafolder import DataFolder
from embedded.stack import read_running


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A data folder that is removed afterwards."""
    base = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hauberk-bench-"))
    base.chmod(0o711)  # noqa: ASYNC240 - once; the servers' own account must be able to walk through it
    try:
        yield base / "data"
    finally:
        DataFolder(base / "data").remove()
        base.rmdir()  # noqa: ASYNC240


@asynccontextmanager
async def embedded(place: Path) -> AsyncIterator[Any]:
    """`hauberk up`, in a process of its own."""
    async with waited_for(place, "cli.main") as connection:
        yield connection


@asynccontextmanager
async def waited_for(place: Path, module: str) -> AsyncIterator[Any]:
    """The stack that a module's `up` runs, in a process of its own."""
    command = (sys.executable, "-m", module, "up", "--data", str(place), "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            while read_running(place) is None:
                if process.returncode is not None:
                    said = await process.stderr.read() if process.stderr else b""
                    raise RuntimeError(f"the embedded stack did not start: {said.decode(errors='replace')}")
                await asyncio.sleep(0.05)
        connection = Connection(place)
        yield connection
        await connection.close()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
