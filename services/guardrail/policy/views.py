"""The readings of one text: as it stands, decoded, shifted, in digits for letters, spelled out, backwards."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.guardrail.policy import decode, fold

Back = Callable[[int, int], tuple[int, int]]

# Gates: a reading is made only when something speaks for it, which keeps the usual text at one reading.
_ROT13 = re.compile(
    r"\b(?:gur|naq|lbhe|lbh|nyy|jvgu|sebz|guvf|vtaber|qvfertneq|sbetrg|cerivbhf|vafgehpgvbaf|cebzcg|flfgrz|erirny|cevag)\b"
)
_LEET = re.compile(r"[a-z][013457$!|]{1,3}[a-z]")
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W\d_][ ._*|/-]{1,2}){4,}[^\W\d_](?![^\W_])")
_BACKWARDS = re.compile(r"erongi|dragersid|tegrof|suoiverp|snoitcurtsni|tpmorp|laever|metsys")
_LEET_TABLE = str.maketrans("013457@$!|", "oieastasii")
_LEET_L = str.maketrans("1!|", "lll")


@dataclass(frozen=True, slots=True)
class View:
    """One reading, folded for comparison, and the way back to the part."""

    name: str
    text: str
    back: Back


def views_of(text: str, split: Callable[[str], str]) -> Iterator[View]:
    """Every reading that something speaks for; `split` finds the words in letters that were run together."""
    yield from _readings("plain", text, _same, split)
    back: Back = _same
    current = text
    kinds: list[str] = []
    for _ in range(decode.ROUNDS):
        found = decode.decode_once(current)
        if found is None:
            break
        back, current = _chain(found.back, back), found.text
        kinds.append(found.kind)
        yield from _readings(found.kind if len(set(kinds)) == 1 else "decoded", current, back, split)


def _readings(name: str, text: str, back: Back, split: Callable[[str], str]) -> Iterator[View]:
    folded = fold.fold(text)
    home = _chain(lambda start, end: fold.unfold(text, start, end), back)
    yield View(name, folded, home)
    plain = fold.without_lookalikes(folded)
    if plain != folded:
        yield View("homoglyph", plain, home)
    if len(_ROT13.findall(folded)) >= 2:
        yield View("rot13", codecs.decode(folded, "rot13"), home)
    if len(_LEET.findall(folded)) >= 2:
        yield View("leet", folded.translate(_LEET_L).translate(_LEET_TABLE), home)
        yield View("leet", folded.translate(_LEET_TABLE), home)
    if _BACKWARDS.search(folded):
        yield View("reversed", folded[::-1], _chain(lambda s, e: (len(folded) - e, len(folded) - s), home))
    spelled = _joined(folded, split)
    if spelled is not None:
        yield View("spelled", spelled.text, _chain(spelled.back, home))


def _joined(folded: str, split: Callable[[str], str]) -> decode.Decoded | None:
    out: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    done = length = 0
    for match in _SPELLED.finditer(folded):
        said = split(re.sub(r"[\W_]", "", match[0]))
        out += (folded[done : match.start()], said)
        length += match.start() - done
        pieces.append((length, length + len(said), match.start(), match.end()))
        length += len(said)
        done = match.end()
    if not pieces:
        return None
    out.append(folded[done:])
    return decode.Decoded("".join(out), "spelled", tuple(pieces))


def _same(start: int, end: int) -> tuple[int, int]:
    return start, end


def _chain(first: Back, second: Back) -> Back:
    return lambda start, end: second(*first(start, end))
