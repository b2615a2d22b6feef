"""MessagePack, as much of it as the scripts are sent: integers, text, and lists of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Packable = int | str | Sequence["Packable"]


def pack(value: Packable) -> bytes:
    """One value, as Redis' `cmsgpack` reads it."""
    if isinstance(value, int):
        return bytes((value,)) if 0 <= value < 128 else struct.pack(">Bq", 0xD3, value)
    if isinstance(value, str):
        data = value.encode()
        return struct.pack(">BH", 0xDA, len(data)) + data
    return struct.pack(">BH", 0xDC, len(value)) + b"".join(pack(each) for each in value)
