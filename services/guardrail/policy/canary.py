"""A mark in the system prompt that must never come out: stateless, one for each conversation of an organisation.

It is looked for in every form that a model can be talked into: other case, spaced or broken up, backwards, ROT13,
base64 at each alignment, hex, percent, entities, character codes, and a fragment of 65 bits alone.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence

from services.guardrail.policy import decode, fold

PREFIX = "hbc-"
_LENGTH = 26
_FRAGMENT = 13
_NOT_ALNUM = re.compile(r"[\W_]+")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def make(key: bytes, organisation: str, conversation: str) -> str:
    """The canary: 130 bits that nobody without the key can tell."""
    digest = hmac.digest(key, f"{organisation}|{conversation}".encode(), hashlib.sha256)
    return PREFIX + base64.b32encode(digest).decode().lower()[:_LENGTH]


def appears(text: str, canaries: Sequence[str]) -> bool:
    """Whether one of them is in the text, in whatever form."""
    folded = _forms(text)
    bare = _NOT_BASE64.sub("", text.replace("-", "+").replace("_", "/"))
    return any(
        any(mark in form for form in folded for mark in _marks(canary)) or any(code in bare for code in _codes(canary))
        for canary in canaries
    )


def _forms(text: str) -> list[str]:
    forms = [_skeleton(text)]
    current = text
    for _ in range(decode.ROUNDS):
        found = decode.decode_once(current)
        if found is None:
            break
        current = found.text
        forms.append(_skeleton(current))
    return forms


def _skeleton(text: str) -> str:
    return _NOT_ALNUM.sub("", fold.without_lookalikes(fold.fold(text)))


def _marks(canary: str) -> Iterator[str]:
    secret = canary.removeprefix(PREFIX)
    for start in range(0, _LENGTH - _FRAGMENT + 1):
        fragment = secret[start : start + _FRAGMENT]
        yield fragment
        yield fragment[::-1]
    yield codecs.encode(secret, "rot13")
    for spelled in (canary, canary.upper(), secret, secret.upper()):
        yield spelled.encode().hex()


def _codes(canary: str) -> Iterator[str]:
    secret = canary.removeprefix(PREFIX)
    for spelled in (secret, secret.upper(), secret[::-1]):
        for pad in range(3):
            code = base64.b64encode(b"\0" * pad + spelled.encode()).decode().rstrip("=")
            # The first and last characters of the code also hold bits of the neighbours.
            yield code[(0, 2, 3)[pad] : -1]
