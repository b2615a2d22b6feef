"""A view of a text in which every spelling of a digit, dash or space is the plain one, and the way back.

Detection runs on the view; spans are mapped back so that nothing of the original survives a replacement.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Tables that mark a kind of byte: one pass in C tells whether a text has any, several times faster than a search.
_CONTROL_BYTES = bytes(1 if (n < 32 and n not in (9, 10, 13)) or n == 127 else 0 for n in range(256))
_DIGIT_BYTES = bytes(48 <= n <= 57 for n in range(256))
# Shown as nothing (or nearly so) although their category is not "format".
_BLANK = frozenset("\u115f\u1160\u3164\uffa0")
_DASHES = dict.fromkeys("\u2212\u02d7\u2043", "-")
_EXTRA = _DASHES | dict.fromkeys("\u2044\u2215", "/") | dict.fromkeys("\u3002\uff61\u06d4", ".")
_LONGEST_FOLD = 4


@dataclass(frozen=True, slots=True)
class View:
    """The folded text; `origins` is None when positions are the same as in the original."""

    text: str
    origins: list[int] | None
    length: int

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original behind a stretch of the view, with what was dropped inside and after it."""
        if self.origins is None:
            return start, end
        first = self.origins[start]
        after = self.origins[end] if end < len(self.origins) else self.length
        return first, max(after, self.origins[end - 1] + 1)


def view(text: str) -> View:
    """Fold a text; plain ASCII costs one check."""
    if text.isascii() and 1 not in text.encode().translate(_CONTROL_BYTES):
        return View(text, None, len(text))
    table = {ch: folded for ch in set(text) if (folded := _fold(ch)) != ch}
    if not table:
        return View(text, None, len(text))
    if all(len(folded) == 1 for folded in table.values()):
        return View(text.translate({ord(ch): folded for ch, folded in table.items()}), None, len(text))
    return _with_origins(text, table)


def has_digits(text: str) -> bool:
    """True when the text has an ASCII digit."""
    return 1 in text.encode("utf-8", "surrogatepass").translate(_DIGIT_BYTES)


def _with_origins(text: str, table: dict[str, str]) -> View:
    pieces: list[str] = []
    origins: list[int] = []
    done = 0
    changed = re.compile("[" + "".join(map(re.escape, table)) + "]")
    for match in changed.finditer(text):
        at = match.start()
        folded = table[text[at]]
        pieces.append(text[done:at])
        origins.extend(range(done, at))
        pieces.append(folded)
        origins.extend([at] * len(folded))
        done = at + 1
    pieces.append(text[done:])
    origins.extend(range(done, len(text)))
    return View("".join(pieces), origins, len(text))


@lru_cache(maxsize=16384)
def _fold(ch: str) -> str:
    """What one character is read as: nothing for invisible ones, ASCII for digits, dashes, spaces, wide forms."""
    if ch in _EXTRA:
        return _EXTRA[ch]
    if ch.isascii():
        return "" if _CONTROL.match(ch) else ch
    category = unicodedata.category(ch)
    if category in {"Cf", "Mn", "Me", "Cc"} or ch in _BLANK:
        return ""
    if category == "Zs":
        return " "
    if category in {"Zl", "Zp"}:
        return "\n"
    if category == "Pd":
        return "-"
    digit = unicodedata.decimal(ch, None)
    if digit is not None:
        return str(digit)
    folded = "".join(c for c in unicodedata.normalize("NFKC", ch) if unicodedata.category(c) not in {"Mn", "Cf"})
    if not folded or len(folded) > _LONGEST_FOLD:
        return ch
    return folded if folded == ch else "".join(_fold(c) if c != ch else c for c in folded)
