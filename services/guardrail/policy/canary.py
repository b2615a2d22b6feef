"""A mark in the system prompt that must never come out: stateless, one per conversation of an organisation and version
of its prompt.

It is looked for as it would stand in every form that a model can be talked into: the text is not decoded but the mark
encoded, so that nothing depends on where a code begins or on what stands around it. Half of it (65 bits) is enough.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from services.guardrail.policy import decode, fold

PREFIX = "hbc-"
_LENGTH = 26
_HALF = 13
_NOT_ALNUM = re.compile(r"[\W_]+")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_MARKUP = re.compile(r"<[^<>]{0,120}>|\]\([^()\s]{0,300}\)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Digits that are read as letters and letters that are read as digits, as one: of 32 signs 24 stay, 59 bits of a half.
_LEET = str.maketrans("0134578l@$!", "oieastbiasi")


def make(key: bytes, organisation: str, conversation: str, prompt_version: str = "") -> str:
    """The canary: 130 bits that nobody without the key can tell."""
    said = f"{organisation}|{conversation}" + (f"|{prompt_version}" if prompt_version else "")
    digest = hmac.digest(key, said.encode(), hashlib.sha256)
    return PREFIX + base64.b32encode(digest).decode().lower()[:_LENGTH]


def appears(text: str, canaries: Sequence[str]) -> bool:
    """Whether one of them is in the text, in whatever form."""
    forms = _forms(text)
    signs = [_skeleton(form) for form in forms]
    leet = [sign.translate(_LEET) for sign in signs]
    bare = [_NOT_BASE64.sub("", form.replace("-", "+").replace("_", "/")) for form in forms]
    return any(
        any(mark in form for marks, found in zip(_marks(canary), (signs, leet, bare), strict=True)
            for form in found for mark in marks)
        for canary in canaries
    )  # fmt: skip


def _forms(text: str) -> list[str]:
    """The text, without its markup, and with encodings undone that can be told by themselves."""
    forms = [text]
    if "<" in text or "](" in text:
        forms.append(_MARKUP.sub("", text))
    current = text
    for _ in range(decode.ROUNDS):
        found = decode.decode_once(current)
        if found is None:
            break
        current = found.text
        forms.append(current)
    return forms


def _skeleton(text: str) -> str:
    """Letters and digits alone; look-alikes count as Latin everywhere: a mark that is spaced out mixes no script."""
    folded = fold.fold(text)
    if not folded.isascii():
        folded = folded.translate(fold.LOOK_TABLE)
    return _NOT_ALNUM.sub("", folded)


@lru_cache(maxsize=512)
def _marks(canary: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What to look for among letters and digits, among these in leet, and in base64 where case counts."""
    secret = canary.removeprefix(PREFIX)
    pieces = [secret[start : start + _HALF] for start in range(_LENGTH - _HALF + 1)]
    halves = (secret[:_HALF], secret[-_HALF:])
    signs = {*pieces}
    for half in halves:
        signs |= {_shifted(half, by) for by in range(1, 26)}
        signs |= {sign.lower() for spelled in (half, half.upper()) for sign in _spelled(spelled)}
    for spelled in (secret, secret.upper(), codecs.encode(secret, "rot13")):
        signs |= {sign.lower() for pad in range(5) if (sign := _base32(spelled, pad))}
    codes: set[str] = set()
    for spelled in (secret, secret.upper(), secret[::-1], codecs.encode(secret, "rot13")):
        for pad in range(3):
            code = _base64(spelled, pad)
            codes |= {code, *(_base64(code, again) for again in range(3))}
        codes |= {_base64(spelled.encode().hex(), pad) for pad in range(3)}
    leet = {piece.translate(_LEET) for piece in pieces}
    return _both_ways(signs), _both_ways(leet), _both_ways(codes)


def _spelled(half: str) -> Iterator[str]:
    """Numbers of the characters one after the other, whatever stands between them that is no letter and no digit."""
    for shape in ("02x", "d", "08b", "07b", "o", "03o", "04x"):
        yield "".join(format(ord(c), shape) for c in half)
    for before in ("x", "u00", "0x", "0b", "0o"):
        shape = {"0b": "b", "0o": "o"}.get(before, "x")
        yield "".join(before + format(ord(c), shape) for c in half)
    yield base64.b64encode(half.encode()).hex()


def _shifted(half: str, by: int) -> str:
    return half.translate(str.maketrans(_LETTERS, _LETTERS[by:] + _LETTERS[:by]))


def _base64(said: str, pad: int) -> str:
    """Without the first and last characters, which also hold bits of the neighbours."""
    code = base64.b64encode(b"\0" * pad + said.encode()).decode().rstrip("=")
    return code[(0, 2, 3)[pad] : -1]


def _base32(said: str, pad: int) -> str:
    code = base64.b32encode(b"\0" * pad + said.encode()).decode().rstrip("=")
    return code[(0, 2, 4, 5, 7)[pad] : -2]


def _both_ways(marks: set[str]) -> tuple[str, ...]:
    return tuple(sorted({*marks, *(mark[::-1] for mark in marks)}))
