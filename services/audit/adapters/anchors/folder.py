"""An anchor in a folder: of another machine, a disk that can be written once, or a bucket that is mounted."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from services.audit.adapters.anchors.form import folder_of, name_of, read, sequence_of, written
from services.audit.policy import Signed
from services.audit.ports import AnchorBrokenError
from services.kit.errors import Unavailable


class FolderAnchor:
    """Implements `ports.Anchor`: one file for each checkpoint, never replaced."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, signed: Signed) -> None:
        """See the port; on disk when it returns."""
        await asyncio.to_thread(self._put, signed)

    async def read(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:
        """See the port."""
        return await asyncio.to_thread(self._read, organisation, after, limit)

    def _put(self, signed: Signed) -> None:
        place, name = name_of(signed)
        path, data = self._folder / place / name, written(signed)
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.unlink(missing_ok=True)
            handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, path)  # unlike a rename, refuses to replace
            _sync(path.parent)
        except FileExistsError:
            if path.read_bytes() != data:
                raise AnchorBrokenError from None
        except OSError:
            raise Unavailable("anchor") from None
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _read(self, organisation: str, after: int, limit: int) -> Sequence[Signed]:
        place = self._folder / folder_of(organisation)
        try:
            names = [entry.name for entry in os.scandir(place) if sequence_of(entry.name) > after]
            return [read((place / name).read_bytes()) for name in sorted(names)[:limit]]
        except FileNotFoundError:
            return []
        except OSError:
            raise Unavailable("anchor") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
