"""Where output goes: results on stdout, progress and errors on stderr; colour only on a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

NARROW = 80
PLAIN_WIDTH = 110  # where nobody can see the width (a pipe, a file, a log of a build)


def out() -> Console:
    """The console of results."""
    return Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def err() -> Console:
    """The console of progress."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PLAIN_WIDTH)


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
