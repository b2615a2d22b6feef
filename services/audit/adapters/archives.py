"""Archives in a folder: one file for each month of a chain, and an index whose lines name the line before.

A file is written beside its place, synced, and moved there; what a broken-off run left is written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from services.audit.adapters.anchors.form import folder_of
from services.kit.errors import Unavailable

INDEX = "index.jsonl"


def file_of(organisation: str, month: str) -> str:
    """Where the archive of a month lies, below the folder."""
    return f"{month}/{folder_of(organisation)}.jsonl"


class ArchiveFolder:
    """Every method raises Unavailable when the folder cannot be used. Blocking: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, organisation: str, month: str) -> Path:
        """Of one archive."""
        return self._folder / file_of(organisation, month)

    @contextmanager
    def writing(self, organisation: str, month: str) -> Iterator[IO[bytes]]:
        """A new archive; in its place, on disk, when the body ended well."""
        path = self.path(organisation, month)
        unfinished = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            _sync(path.parent)
        except OSError:
            raise Unavailable("archive") from None

    def digest(self, organisation: str, month: str) -> bytes:
        """SHA-256 of a file; empty when there is none."""
        try:
            with self.path(organisation, month).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            return b""
        except OSError:
            raise Unavailable("archive") from None

    def enter(self, organisation: str, month: str, facts: dict[str, Any]) -> None:
        """Adds an archive to the index, unless its last entry says the same."""
        entry = {"month": month, "organisation": organisation, "file": file_of(organisation, month), **facts}
        try:
            lines = self._lines()
            same = [line for line in lines if json.loads(line)["file"] == entry["file"]]
            if same and {**json.loads(same[-1]), "previous": ""} == {**entry, "previous": ""}:
                return
            entry["previous"] = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
            whole = b"".join(line + b"\n" for line in [*lines, json.dumps(entry, sort_keys=True).encode()])
            unfinished = self._folder / f".{INDEX}.part"
            with unfinished.open("wb") as file:
                file.write(whole)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._folder / INDEX)
            _sync(self._folder)
        except (OSError, ValueError, KeyError):
            raise Unavailable("archive") from None

    def entries(self) -> list[dict[str, Any]]:
        """The index. Raises ValueError when its lines do not follow from one another."""
        before, found = "", []
        for line in self._lines():
            entry = json.loads(line)
            if entry.get("previous") != before:
                raise ValueError("the index was altered")
            before = hashlib.sha256(line).hexdigest()
            found.append(entry)
        return found

    def _lines(self) -> list[bytes]:
        try:
            return (self._folder / INDEX).read_bytes().splitlines()
        except FileNotFoundError:
            return []


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
