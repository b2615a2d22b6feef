"""`python -m bench.unaudited up ...`: the embedded stack without an audit trail, which no setting can make.

What a request costs without being put on record is only worth knowing to tell what the record costs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Self

from cli.main import main
from embedded import assembly


class Silent:
    """Stands in for the trail of a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def connect(self, _service: str, _channel: Any) -> Self:
        """Leads nowhere."""
        return self

    async def emit(self, _event: Any, *, critical: bool = False) -> None:
        """Forgets."""

    async def ship(self) -> None:
        """Has nothing to bring."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Has nothing to keep."""


if __name__ == "__main__":
    vars(assembly)["SpooledTrail"] = Silent
    sys.exit(main(sys.argv[1:]))
