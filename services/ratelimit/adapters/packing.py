"""How the scripts are sent numbers: MessagePack where there are texts among them, else doubles one after the other."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Packable = int | str | Sequence["Packable"]


def pack(value: Packable) -> bytes:
    """One value as MessagePack, as Redis' `cmsgpack` reads it: integers, text, and lists of them."""
    if isinstance(value, int):
        return bytes((value,)) if 0 <= value < 128 else struct.pack(">Bq", 0xD3, value)
    if isinstance(value, str):
        data = value.encode()
        return struct.pack(">BH", 0xDA, len(data)) + data
    return struct.pack(">BH", 0xDC, len(value)) + b"".join(pack(each) for each in value)


def doubles(numbers: Sequence[int]) -> bytes:
    """Integers to 2^53, as Redis' `struct` reads them fastest: Lua knows no other numbers."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def integers(data: bytes) -> tuple[int, ...]:
    """What a script answered: integers of 8 bytes."""
    return struct.unpack(f"<{len(data) // 8}q", data)


def counted(state: bytes | None) -> int:
    """What a windowed limit has counted in its newest window, from its state as `state.lua` keeps it."""
    return int(struct.unpack("<3d", state)[1]) if state else 0
