"""Texts as they are compared: one case, no diacritics, no look-alikes, nothing invisible.

Only comparison uses these forms; what is passed on is never changed. An ASCII text folds without any table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Cyrillic and Greek letters that read as Latin ones; used inside words that mix scripts, so that Russian stays whole.
_LOOKS = dict(
    zip(
        "аеорсухіѕјһԁԛԝѵвкмнтгαοερυιντκηχζβ",
        "aeopcyxisjhdqwvbkmhtraoepuivtknxzb",
        strict=True,
    )
)
LOOK_TABLE = str.maketrans(_LOOKS)
_MIXED = re.compile(r"[a-z]+[\u0370-\u052f][a-z\u0370-\u052f]*|[\u0370-\u052f]+[a-z][a-z\u0370-\u052f]*")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_JOINERS = frozenset("\u200c\u200d")
_MARKS = frozenset("\u200e\u200f\u061c\u2066\u2067\u2068\u2069\u202a\u202b\u202c")
_SOFT = frozenset("\u00ad\ufeff\u200b\u2060")  # hyphenation, byte order, line breaks of scripts without spaces
_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
_TAG_TABLE = {code: chr(code - 0xE0000) for code in range(0xE0020, 0xE007F)}


class _Folded(dict[int, str]):
    """Folds a character when it is first seen."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if _INVISIBLE.fullmatch(character):
            folded = ""
        else:
            plain = unicodedata.normalize("NFKD", character).casefold()
            folded = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
        if len(self) < 20_000:
            self[code] = folded
        return folded


_FOLDED = _Folded()


def fold(text: str) -> str:
    """The comparable form; see `unfold` for where it lies in the text."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


def unfold(text: str, start: int, end: int) -> tuple[int, int]:
    """Where a stretch of `fold(text)` lies in `text`."""
    if text.isascii():
        return start, end
    done, first, last = 0, len(text), len(text)
    for place, character in enumerate(text):
        after = done + len(_FOLDED[ord(character)])
        if first == len(text) and after > start:
            first = place
        if after >= end:
            last = place + 1
            break
        done = after
    return min(first, last), last


def without_lookalikes(folded: str) -> str:
    """Words that mix Latin with Cyrillic or Greek as what they read as; the same length."""
    return folded if folded.isascii() else _MIXED.sub(lambda m: m[0].translate(LOOK_TABLE), folded)


def mixed_words(folded: str) -> list[tuple[int, int]]:
    """Words that mix Latin with Cyrillic or Greek."""
    return [match.span() for match in _MIXED.finditer(folded)]


def hidden_tags(text: str) -> Iterator[tuple[int, int]]:
    """Runs of tag characters that are no flag."""
    if text.isascii():
        return
    flags = [m.span() for m in _FLAG.finditer(text)]
    for match in _TAGS.finditer(text):
        if not any(start <= match.start() < end for start, end in flags):
            yield match.span()


def show_tags(run: str) -> str:
    """What a run of tag characters says."""
    return run.translate(_TAG_TABLE)


def hidden_characters(text: str) -> list[tuple[int, int]]:
    """Invisible characters with no business where they stand: inside Latin words, overrides, long selector runs."""
    if text.isascii():
        return []
    return [match.span() for match in _INVISIBLE.finditer(text) if _out_of_place(text, match.start(), match.end())]


def _out_of_place(text: str, start: int, end: int) -> bool:
    run = text[start:end]
    before, after = text[start - 1 : start], text[end : end + 1]
    if any(c in _TAGS_ALL for c in run):
        return False  # told apart by hidden_tags
    if len(run) > 3 and all(c in _SELECTORS or c >= "\U000e0100" for c in run):
        return True
    if any(c in "\u202d\u202e" for c in run):
        return True
    if all(c in _JOINERS or c in _SELECTORS for c in run) and (not _latin(before) or not _latin(after)):
        return False
    if all(c in _MARKS or c in _SOFT for c in run) and not (_latin(before) and _latin(after)):
        return False
    if set(run) <= {"\u00ad"}:
        return False
    return (_latin(before) and _latin(after)) or len(run) > 8


_TAGS_ALL = frozenset(map(chr, range(0xE0001, 0xE0080)))


def _latin(character: str) -> bool:
    return bool(character) and character.isascii() and character.isalnum()
