"""One worker process, and the line to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.redaction.ner.frames import HungUp, next_frame, send_frame

_ROOT = Path(__file__).resolve().parents[3]
_END_SECONDS = 5.0


class Worker:
    """Started at once; ready when `ready` returns. Only one question at a time."""

    def __init__(self, model: str, command: Sequence[str] = ()) -> None:
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        self._line = mine
        with theirs:
            # No key, address or token of the service is in the process that reads strangers' texts; what it prints
            # could be a text, and goes nowhere.
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours, a checked name
                [sys.executable, *(command or ("-m", "services.redaction.ner.worker")), model],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                # A Ctrl-C in the terminal is for the service, which lets running calls end.
                process_group=0,
            )

    async def ready(self) -> None:
        """Waits until the model is loaded; raises HungUp when it never will be."""
        if await next_frame(self._line) != b"ready":
            raise HungUp

    async def ask(self, question: dict[str, Any]) -> Any:
        """One question, one answer; raises HungUp when the process is gone."""
        await send_frame(self._line, json.dumps(question).encode())
        try:
            return json.loads(await next_frame(self._line))
        except ValueError:
            raise HungUp from None

    def end(self) -> None:
        """Ends it, whatever it does; waits until it is gone."""
        self._line.close()
        self.process.kill()
        self.process.wait(_END_SECONDS)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT") if name in os.environ}
    # One thread each: the processes are the parallelism.
    return kept | {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
