"""A signed token before any cryptography: three canonical base64url parts, two JSON objects, nothing twice.

There is exactly one spelling of each token, and what is not one costs no signature check.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

MAX_LENGTH = 8192
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


def parts(token: str, most_brackets: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and payload; None when the token is malformed. Nothing in them is proven.

    `most_brackets` bounds the objects and lists of each part. The caller bounds the length first.
    """
    match = _COMPACT.fullmatch(token)
    if match is None or _decode(match[3]) is None:
        return None
    header, payload = _object(match[1], most_brackets), _object(match[2], most_brackets)
    return (header, payload) if header is not None and payload is not None else None


def _object(segment: str, most_brackets: int) -> dict[str, Any] | None:
    data = _decode(segment)
    if data is None or data.count(b"[") + data.count(b"{") > most_brackets:
        return None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decode(segment: str) -> bytes | None:
    """Canonical only: spare bits in the last character would give one token several spellings."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") == segment else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(_: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")
