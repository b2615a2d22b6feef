"""What a text says once the encodings in it are undone, in place: the decoded piece stands where the code stood.

Every pattern is linear, every candidate is tried: no count after which the rest would be skipped.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from services.guardrail.policy import fold

ROUNDS = 4  # of undoing: two layers, and encodings of several kinds in one text
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_-])"
    r"(?:(?:[A-Za-z0-9+/_-]{16,}+[ \t]?\r?\n[ \t]*+)++[A-Za-z0-9+/_-]{2,}+|[A-Za-z0-9+/_-]{12,}+)={0,2}"
)
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:\\x|0x|\\u00)?[0-9A-Fa-f]{2}[ :,]?){8,}+")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})")
_CODES = re.compile(r"(?:(?<![0-9])(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6])[ ,;]{1,2}){11,}[0-9]{2,3}")
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{16,}+={0,6}(?![A-Za-z0-9=])")
_BASE85 = re.compile(r"<~[!-u\s]{16,4096}+~>")
_QUOTED = re.compile(r"(?:=[0-9A-Fa-f]{2}){2,}+")
_BITS = re.compile(r"(?<![0-9])(?:[01]{8}[ ,]?){8,}+(?![0-9])")
_SELECTED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}+")
_TWO_SIGNS = re.compile("[\u2062\u2064]{16,}+|[\u200b\u200c]{16,}+")
_LETTERS = re.compile(r"[A-Za-z \u00c0-\u024f\u0370-\u052f]")
_CODE_AGAIN = re.compile(r"[0-9A-Fa-fx\\%&#;,: ]{16,}+")  # a code in a code: no letters that could be read yet
_DIGITS = "0123456789"
_LETTERS_OF_CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOISE = re.compile(r"[^0-9A-Fa-f]|0x")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and which stretch of the text before each replaced piece of it was."""

    text: str
    kind: str
    pieces: tuple[tuple[int, int, int, int], ...]  # start and end here, start and end there

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch lies in the text before; a stretch that touches a decoded piece takes in all of its code."""
        first, last = start, end
        for new_start, new_end, old_start, old_end in self.pieces:
            if start >= new_start:
                first = old_start if start < new_end else start + old_end - new_end
            if end > new_start:
                last = old_end if end <= new_end else end + old_end - new_end
        return first, max(first, last)


def decode_once(text: str) -> Decoded | None:
    """Undoes one layer of the first encoding that is there and says something; None when there is none."""
    for kind, likely, pattern, undo in _DECODERS:
        if likely(text):
            found = _replace(text, kind, pattern, undo)
            if found is not None:
                return found
    return None


def _replace(text: str, kind: str, pattern: re.Pattern[str], undo: Callable[[str], str]) -> Decoded | None:
    out: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    done = length = 0
    for match in pattern.finditer(text):
        said = undo(match[0])
        if not said or said == match[0]:
            continue
        out += (text[done : match.start()], said)
        length += match.start() - done
        pieces.append((length, length + len(said), match.start(), match.end()))
        length += len(said)
        done = match.end()
    if not pieces:
        return None
    out.append(text[done:])
    return Decoded("".join(out), kind, tuple(pieces))


def _readable(data: bytes) -> str:
    """The text behind the bytes when it reads like one, else nothing."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if _CODE_AGAIN.fullmatch(text):
        return text
    letters = len(_LETTERS.findall(text))
    return text if letters > 0.6 * len(text) and all(c.isprintable() or c.isspace() for c in text) else ""


def _from_base64(code: str) -> str:
    """Wrapped code may have an ordinary word on the line after it, which then stays."""
    if code.isalpha() and code[1:].islower():  # a long word: code of a text has capitals and digits in it
        return ""
    said = _from_base64_line("".join(code.split()))
    if said or "\n" not in code:
        return said
    first, _, last = code.rpartition("\n")
    said = _from_base64_line("".join(first.split()))
    return f"{said}\n{last.strip()}" if said else ""


def _from_base64_line(code: str) -> str:
    bare = code.rstrip("=").replace("-", "+").replace("_", "/")
    if bare.isdigit() or len(bare) % 4 == 1:
        return ""
    try:
        return _readable(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(code: str) -> str:
    digits = _NOISE.sub("", code.replace("\\u00", ""))
    try:
        return _readable(bytes.fromhex(digits)) if len(digits) % 2 == 0 else ""
    except ValueError:
        return ""


def _from_base32(code: str) -> str:
    bare = code.rstrip("=")
    try:
        return _readable(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _from_base85(code: str) -> str:
    try:
        return _readable(base64.a85decode(code, adobe=True))
    except (binascii.Error, ValueError):
        return ""


def _from_bits(code: str) -> str:
    bits = re.sub(r"[ ,]", "", code)
    return _readable(bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits) - 7, 8)))


def _from_selectors(code: str) -> str:
    """Bytes as variation selectors: sixteen of the first block, the rest of the second."""
    return _readable(bytes(ord(c) - 0xFE00 if c < "\ufe10" else ord(c) - 0xE0100 + 16 for c in code))


def _from_two_signs(code: str) -> str:
    """Bits as two invisible characters, either of which may be the one."""
    for one in sorted(set(code)):
        said = _from_bits("".join("1" if c == one else "0" for c in code))
        if said:
            return said
    return ""


def _from_escape(code: str) -> str:
    number = int(code.strip("\\ux{}"), 16)
    return chr(number) if 32 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _from_codes(code: str) -> str:
    return _readable(bytes(int(number) for number in re.findall(r"[0-9]+", code) if int(number) < 127))


def _from_percent(code: str) -> str:
    return urllib.parse.unquote(code, errors="replace")


def _has(*marks: str) -> Callable[[str], bool]:
    return lambda text: any(mark in text for mark in marks)


def _may_have_hidden(text: str) -> bool:
    return not text.isascii()


def _run_of(characters: str, least: int) -> Callable[[str], bool]:
    """A first look for so many of these characters in a row, at the speed of a copy."""
    table, run = _table(characters, b"x" * 256), b"x" * least
    return lambda text: run in text.encode("latin-1", "replace").translate(table)


def _table(characters: str, shown: bytes) -> bytes:
    """Shows each of these characters, and a space for every other one; `?` stands for what is beyond Latin."""
    wanted = characters.encode()
    return bytes(shown[code] if code in wanted else 32 for code in range(256))


_IN_BASE64 = _table(_DIGITS + _LETTERS_OF_CODE + "+/_-", bytes(range(256)))


def _may_be_base64(text: str) -> bool:
    """Whether there is a long word that is more than a word: what `_from_base64` would drop at once is not counted."""
    words = text.encode("latin-1", "replace").translate(_IN_BASE64).split()
    long = [word for word in words if len(word) >= 12]
    most = 16 if "\n" in text else len(text) + 1
    return any(len(word) >= most or not (word.isalpha() and word[1:].islower()) for word in long)


_DECODERS: tuple[tuple[str, Callable[[str], bool], re.Pattern[str], Callable[[str], str]], ...] = (
    ("tags", _may_have_hidden, re.compile("[\U000e0020-\U000e007e]{2,}"), fold.show_tags),
    ("selectors", _may_have_hidden, _SELECTED, _from_selectors),
    ("bits", _may_have_hidden, _TWO_SIGNS, _from_two_signs),
    ("base85", _has("<~"), _BASE85, _from_base85),
    ("percent", _has("%"), _PERCENT, _from_percent),
    ("html", _has("&"), _ENTITY, html.unescape),
    ("quoted", _has("="), _QUOTED, lambda code: _from_hex(code.replace("=", ""))),
    ("bits", _has("0101", "0110", "0111"), _BITS, _from_bits),
    ("hex", _run_of(_DIGITS + "abcdefABCDEFxu\\ :,", 16), _HEX, _from_hex),
    ("escapes", _has("\\u", "\\x"), _ESCAPE, _from_escape),
    ("codes", _run_of(_DIGITS + " ,;", 35), _CODES, _from_codes),
    ("base32", _run_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16), _BASE32, _from_base32),
    ("base64", _may_be_base64, _BASE64, _from_base64),
)
