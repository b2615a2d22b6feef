"""From the text of a key set to keys that may verify this issuer's tokens; everything else in it is ignored."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

MAX_BYTES = 256 * 1024
MAX_KEYS = 64
MAX_MARKS = 1024  # brackets; a set of the most keys has fewer, and each costs time to read
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT = 2**32
_MAX_NUMBER = 2048  # characters of a key's part: 8192 bits in base64 are 1366
_KID = re.compile(r"[A-Za-z0-9._~=+/:-]{1,128}")
_PRIVATE = frozenset({"d", "p", "q", "k"})
_FAMILIES: Mapping[str, tuple[type, ...]] = {
    "RS": (rsa.RSAPublicKey,),
    "PS": (rsa.RSAPublicKey,),
    "ES": (ec.EllipticCurvePublicKey,),
    "Ed": (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


class KeySetError(ValueError):
    """The text is not a key set with a usable key. Says nothing of what it was."""


def family(algorithm: str) -> str:
    """`RS`, `PS`, `ES` or `Ed`; a key of one never verifies another."""
    return algorithm[:2]


def parse(text: bytes, algorithms: frozenset[str]) -> dict[str, Any]:
    """Keys by `kid`; raises KeySetError."""
    return _named(list(_keys(text, algorithms)))


async def parse_in_turns(text: bytes, algorithms: frozenset[str]) -> dict[str, Any]:
    """`parse`, letting others run after each key: making many keys takes longer than anybody should wait."""
    found = []
    for pair in _keys(text, algorithms):
        found.append(pair)
        await asyncio.sleep(0)
    return _named(found)


def _named(pairs: list[tuple[str, Any] | None]) -> dict[str, Any]:
    """Of two keys with one name neither can be trusted to be meant."""
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for kid, key in filter(None, pairs):
        if kid in found:
            twice.add(kid)
        found[kid] = key
    for kid in twice:
        del found[kid]
    if not found:
        raise KeySetError("no usable key")
    return found


def _keys(text: bytes, algorithms: frozenset[str]) -> Iterator[tuple[str, Any] | None]:
    """One step for each entry; None for an entry that cannot be used."""
    for entry in _entries(text):
        key = _usable(entry, algorithms)
        yield None if key is None else (entry["kid"], key)


def _entries(text: bytes) -> list[Any]:
    if len(text) > MAX_BYTES:
        raise KeySetError("too large")
    if text.count(b"{") + text.count(b"[") > MAX_MARKS:
        raise KeySetError("too many parts")
    try:
        entries = json.loads(text, object_pairs_hook=_unique)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeySetError("not a key set") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeySetError("not a list of keys, or too many")
    return entries


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _usable(entry: Any, algorithms: frozenset[str]) -> Any | None:
    if not isinstance(entry, dict) or _PRIVATE & entry.keys():
        return None
    kid = entry.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid) or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    algorithm = entry.get("alg")
    if algorithm is not None and (not isinstance(algorithm, str) or algorithm not in algorithms):
        return None
    if any(len(str(entry.get(part, ""))) > _MAX_NUMBER for part in ("n", "e", "x", "y")):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm=algorithm or min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if _fits(key, frozenset({algorithm}) if algorithm else algorithms) else None


def _fits(key: Any, algorithms: frozenset[str]) -> bool:
    if not isinstance(key, _FAMILIES.get(family(min(algorithms)), ())):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and 3 <= exponent <= MAX_RSA_EXPONENT and exponent % 2 == 1
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in {_CURVES.get(algorithm) for algorithm in algorithms}
    return True
