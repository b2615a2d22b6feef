"""From the text of a key set to keys that may verify this issuer's tokens; everything else in it is ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

MAX_BYTES = 256 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
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
    """Keys by `kid`; raises KeySetError. Of two keys with one name neither can be trusted to be meant."""
    if len(text) > MAX_BYTES:
        raise KeySetError("too large")
    try:
        document = json.loads(text)
        entries = document["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise KeySetError("not a key set") from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeySetError("not a list of keys, or too many")
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for entry in entries:
        key = _usable(entry, algorithms)
        if key is None:
            continue
        kid = entry["kid"]
        if kid in found:
            twice.add(kid)
        found[kid] = key
    for kid in twice:
        del found[kid]
    if not found:
        raise KeySetError("no usable key")
    return found


def _usable(entry: Any, algorithms: frozenset[str]) -> Any | None:
    if not isinstance(entry, dict) or _PRIVATE & entry.keys():
        return None
    kid = entry.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid) or entry.get("use", "sig") != "sig":
        return None
    algorithm = entry.get("alg")
    if algorithm is not None and algorithm not in algorithms:
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
        return key.key_size >= MIN_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in {_CURVES.get(algorithm) for algorithm in algorithms}
    return True
