"""Page tokens: where the next page begins and where all of them end. They select within the caller's own trail."""

from __future__ import annotations

import base64
import binascii

DEFAULT_SIZE = 50
_LARGEST = 2**62


class BadTokenError(ValueError):
    """Not a token of this list."""


def page_size(asked: int) -> int:
    """Rows of a page."""
    return asked or DEFAULT_SIZE


def encode(kind: str, *numbers: int) -> str:
    """The token that carries these numbers."""
    return base64.urlsafe_b64encode(":".join([kind, *map(str, numbers)]).encode()).decode().rstrip("=")


def decode(kind: str, count: int, token: str) -> tuple[int, ...]:
    """The numbers of a token of this kind. Raises BadTokenError."""
    try:
        found, *parts = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii").split(":")
        numbers = tuple(map(int, parts))
    except (binascii.Error, ValueError):
        raise BadTokenError from None
    if found != kind or len(numbers) != count or any(not 0 <= number < _LARGEST for number in numbers):
        raise BadTokenError
    return numbers


def encode_place(position: int, tip: bytes) -> str:
    """The token of a place in a chain: a position and the hash there. Whoever verifies holds it himself."""
    return base64.urlsafe_b64encode(f"v:{position}:{tip.hex()}".encode()).decode().rstrip("=")


def decode_place(token: str) -> tuple[int, bytes]:
    """The other way round. Raises BadTokenError."""
    try:
        found, position, tip = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii").split(":")
        place, digest = int(position), bytes.fromhex(tip)
    except (binascii.Error, ValueError):
        raise BadTokenError from None
    if found != "v" or not 0 < place < _LARGEST or len(digest) != 32:
        raise BadTokenError
    return place, digest
