"""Files of the spool: records one after the other, each with its length and checksum; zeros where none is written yet.

A file has its full size from the beginning: to sync what then overwrites zeros is one write to the disk, where a file
that grows needs its new size written as well.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<II")
FRAME_OVERHEAD = _HEADER.size
LARGEST = 64 * 1024
_NAME = re.compile(r"(\d{12})\.seg")


@dataclass(slots=True)
class Segment:
    """One file. `size` is what is known to be on disk, `offset` what is acknowledged."""

    folder: Path
    number: int
    size: int = 0
    offset: int = 0
    sealed: bool = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / f"{self.number:012}.seg"

    @classmethod
    def left_in(cls, folder: Path) -> Iterator[Segment]:
        """What an earlier process left, oldest first."""
        for path in sorted(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match:
                yield cls(folder, int(match[1]), extent(path.read_bytes()), sealed=True)

    def read(self, most: int) -> bytes:
        """What follows the acknowledged part, at most `most` bytes."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            return os.pread(handle, min(most, self.size - self.offset), self.offset)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class Frames:
    """Records at the beginning of some bytes, and where they end; `torn` = what follows is an unfinished record."""

    records: list[bytes]
    end: int
    torn: bool


def frame(record: bytes) -> bytes:
    """A record as it is written; raises ValueError when it is empty or too large."""
    if not 0 < len(record) <= LARGEST:
        raise ValueError("a record has 1 to 65536 bytes")
    return _HEADER.pack(len(record), zlib.crc32(record)) + record


def extent(data: bytes) -> int:
    """Where the zeros begin that follow the last record; the whole length when something else than records and zeros
    lies there."""
    end = 0
    while end + FRAME_OVERHEAD <= len(data):
        length, _ = _HEADER.unpack_from(data, end)
        if not 0 < length <= LARGEST:
            break
        end += FRAME_OVERHEAD + length
    return min(end, len(data)) if not any(data[end:]) else len(data)


def read_frames(data: bytes, most: int) -> Frames:
    """Up to `most` whole records."""
    records: list[bytes] = []
    end = 0
    while len(records) < most:
        start = end + FRAME_OVERHEAD
        if start > len(data):
            return Frames(records, end, torn=True)
        length, checksum = _HEADER.unpack_from(data, end)
        record = data[start : start + length]
        if length == 0 and not any(data[end:]):  # a file that had grown before its bytes came
            return Frames(records, end, torn=True)
        if not 0 < length <= LARGEST:
            return Frames(records, end, torn=False)
        if len(record) < length:
            return Frames(records, end, torn=True)
        if zlib.crc32(record) != checksum:
            return Frames(records, end, torn=not any(data[start + length :]))
        records.append(record)
        end = start + length
    return Frames(records, end, torn=False)
