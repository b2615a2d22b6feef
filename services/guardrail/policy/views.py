"""The readings of one text: as it stands, decoded, shifted, in digits for letters, spelled out, backwards.

The plain reading is of the whole text; every other one only of what lies around the places that speak for it, so that
one encoded word in a long text does not double the work.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from services.guardrail.policy import decode, fold
from services.guardrail.policy.grammar import words_of

Back = Callable[[int, int], tuple[int, int]]
Span = tuple[int, int]

AROUND = 600  # characters to each side of a place, which is what makes a sentence with it
DEEPER = "deeper"  # the name of the reading that only says: there was more to undo

# Gates: a reading is made only when something speaks for it, which keeps the usual text at one reading.
_COMMON = (
    "the|and|your|you|all|with|from|this|that|for|are|not|what|now|tell|show|give|say|ignore|disregard|forget|previous|"
    "instructions|instruction|prompt|prompts|system|reveal|print|repeat|rules|above|password|secret|without|mode|must|will"
)
_ROT13_WORDS = frozenset(codecs.encode(_COMMON, "rot13").split("|"))
_BACKWARDS_WORDS = frozenset(word[::-1] for word in _COMMON.split("|") if len(word) > 2)
_LEET_WORD = re.compile(r"[0-9]{0,3}(?:[a-z]{1,12}[013457]{1,3}){1,8}[a-z]{0,12}|[013457]{1,2}[a-z]{2,12}")
_LEET_SIGN = re.compile(r"[a-z](?:[$!|]{1,2}[a-z]|@[a-z]{1,12}(?![a-z.]))")
_SPELLED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ ._*|/-]{1,3}[^\W\d_](?![^\W_])){4,}+")
_GAP = re.compile(r"[\W_]+")
_LEET_TABLE = str.maketrans("013457@$!|", "oieastasii")
_LEET_L = str.maketrans("1!|", "lll")
_CODE_LIKE = re.compile(
    r"[0-9a-f]{5,}|[a-z]+[0-9]{1,4}|[0-9]{1,4}(?:st|nd|rd|th|am|pm|k|m|d|x|s|h|p|g|gb|mb|kb|ml|cm|mm|km|kg)"
)
_FEW = 8
_TOKEN = re.compile(r"[^\W_]+")
_ALONE = frozenset("abcdefghijklmnopqrstuvwxyz")
_LETTERS = 3  # different ones that stand alone, before spelled words are looked for
_SPELLED_FROM = 5  # letters in a row
_CLUSTER = 160  # characters between places that speak for the same thing


@dataclass(frozen=True, slots=True)
class View:
    """One reading, folded for comparison, and the way back to the part."""

    name: str
    text: str
    back: Back
    words: list[str]


def views_of(text: str, split: Callable[[str], str]) -> Iterator[View]:
    """Every reading that something speaks for; `split` finds the words in letters that were run together."""
    yield from _readings("plain", text, _same, split)
    back: Back = _same
    current = text
    kinds: set[str] = set()
    for _ in range(decode.ROUNDS):
        found = decode.decode_once(current)
        if found is None:
            return
        back, current = _chain(found.back, back), found.text
        kinds.add(found.kind)
        name = found.kind if len(kinds) == 1 else "decoded"
        for first, last in around([piece[:2] for piece in found.pieces], len(current)):
            yield from _readings(name, current[first:last], _shifted(first, back), split)
    more = decode.decode_once(current)
    if more is not None:
        first, last = more.pieces[0][2:]
        yield View(DEEPER, "", _chain(lambda _start, _end: (first, last), back), [])


def around(places: Iterable[Span], length: int, margin: int = AROUND) -> list[Span]:
    """The places in order with what lies around them, as stretches that do not overlap."""
    found: list[Span] = []
    for first, last in places:
        start, end = max(0, first - margin), min(length, last + margin)
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _readings(name: str, text: str, back: Back, split: Callable[[str], str]) -> Iterator[View]:
    folded = fold.fold(text)
    home = _chain(lambda start, end: fold.unfold(text, start, end), back)
    words = words_of(folded)
    yield View(name, folded, home, words)
    if not folded.isascii():
        yield from _turned(
            "homoglyph", folded, around(fold.mixed_words(folded), len(folded)), home, fold.without_lookalikes
        )
    known = set(words)
    places = _clustered(folded, known & _ROT13_WORDS, 2)
    yield from _turned("rot13", folded, places, home, lambda piece: codecs.encode(piece, "rot13"))
    leet = {
        word for word in known if not word.isalpha() and _LEET_WORD.fullmatch(word) and not _CODE_LIKE.fullmatch(word)
    }
    signs = _LEET_SIGN if any(map(folded.__contains__, "$!|@")) else None
    places = _clustered(folded, leet, 2, signs)
    yield from _turned("leet", folded, places, home, lambda piece: piece.translate(_LEET_TABLE))
    yield from _turned("leet", folded, places, home, lambda piece: piece.translate(_LEET_L).translate(_LEET_TABLE))
    places = _clustered(folded, known & _BACKWARDS_WORDS, 2)
    yield from _turned("reversed", folded, places, home, _each_word_back)
    for first, last in places:
        turn = _chain(_mirrored(last - first), _shifted(first, home))
        yield _view("reversed", folded[first:last][::-1], turn)
    letters = len(known & _ALONE) if folded.isascii() else sum(len(word) == 1 for word in known)
    spelled = _joined(folded, split) if letters >= _LETTERS and _in_a_row(words) else None
    if spelled is not None:
        for first, last in around([piece[:2] for piece in spelled.pieces], len(spelled.text)):
            yield _view("spelled", spelled.text[first:last], _shifted(first, _chain(spelled.back, home)))


def _in_a_row(words: Sequence[str]) -> bool:
    """Whether five words of one letter follow each other, as spelled letters do."""
    return b"\1" * _SPELLED_FROM in bytes(map(min, map(len, words), repeat(255)))


def _view(name: str, text: str, back: Back) -> View:
    return View(name, text, back, words_of(text))


def _clustered(folded: str, words: set[str], least: int, signs: re.Pattern[str] | None = None) -> list[Span]:
    """Where at least so many of these words stand close together, with what lies around them."""
    places = _places(folded, words) if words else []
    if signs is not None:
        places = sorted([*places, *(match.span() for match in signs.finditer(folded))])
    groups: list[list[Span]] = []
    for place in places:
        if groups and place[0] - groups[-1][-1][1] <= _CLUSTER:
            groups[-1].append(place)
        else:
            groups.append([place])
    return around([(group[0][0], group[-1][1]) for group in groups if len(group) >= least], len(folded))


def _places(folded: str, words: set[str]) -> list[Span]:
    """Where these words stand; a few are looked up, many are met in one pass, so that the time stays linear."""
    if len(words) > _FEW:
        return [match.span() for match in _TOKEN.finditer(folded) if match[0] in words]
    places: list[Span] = []
    for word in words:
        start = folded.find(word)
        while start >= 0:
            places.append((start, start + len(word)))
            start = folded.find(word, start + len(word))
    return sorted(places)


def _turned(name: str, folded: str, places: Sequence[Span], home: Back, turn: Callable[[str], str]) -> Iterator[View]:
    """Readings that keep the length."""
    for first, last in places:
        yield _view(name, turn(folded[first:last]), _shifted(first, home))


def _each_word_back(piece: str) -> str:
    """Every word turned round where it stands: the places stay."""
    return re.sub(r"[^\W_]+", lambda match: match[0][::-1], piece)


def _joined(folded: str, split: Callable[[str], str]) -> decode.Decoded | None:
    out: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    done = length = 0
    for match in _SPELLED.finditer(folded):
        said = _spelled(match[0], split)
        out += (folded[done : match.start()], said)
        length += match.start() - done
        pieces.append((length, length + len(said), match.start(), match.end()))
        length += len(said)
        done = match.end()
    if not pieces:
        return None
    out.append(folded[done:])
    return decode.Decoded("".join(out), "spelled", tuple(pieces))


def _spelled(run: str, split: Callable[[str], str]) -> str:
    """The words of spelled letters: told by wider gaps where there are some, else by what words are known."""
    gaps = Counter(_GAP.findall(run))
    if len(gaps) == 1:
        return split(_GAP.sub("", run))
    inner = gaps.most_common(1)[0][0]
    return _GAP.sub(lambda match: "" if match[0] == inner else " ", run)


def _same(start: int, end: int) -> Span:
    return start, end


def _chain(first: Back, second: Back) -> Back:
    return lambda start, end: second(*first(start, end))


def _mirrored(size: int) -> Back:
    return lambda start, end: (size - end, size - start)


def _shifted(by: int, back: Back) -> Back:
    return back if by == 0 else lambda start, end: back(start + by, end + by)
