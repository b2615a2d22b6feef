"""Rules over words: sets of words in an order, close to each other. One pass over the words, whatever the rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.guardrail.policy.fold import fold

_WORD = re.compile(r"[^\W_]+(?:'[a-z]{1,3})?")
_BEGINS = 1  # the bit of a word that phrases begin with
_KNOWN_WORDS = 32_768  # of strangers' texts, whose sets are kept
_LONG = 400  # words of sets from which on arrays are quicker than going through all
MOST_HITS = 4  # of one rule in one view: enough to weigh what stands together


def words_of(text: str) -> list[str]:
    """The words of a folded text."""
    return _WORD.findall(text)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Words of these sets in this order, the last at most `within` words after the first, none of `unless` nearby."""

    rule: int
    sets: tuple[int, ...]
    within: int
    unless: int = 0


class Lexicon:
    """The words of all sets; a set is one bit. `stem*` takes every word that begins so, phrases are words in a row."""

    def __init__(self, sets: Mapping[str, Sequence[str]]) -> None:
        self.bits = {name: 1 << place for place, name in enumerate(sets, 1)}
        self._whole: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._phrases: dict[str, dict[str, list[tuple[tuple[str, ...], int]]]] = {}
        for name, entries in sets.items():
            for entry in entries:
                self._add(fold(str(entry)), self.bits[name])
        self._stem_lengths = sorted({len(stem) for stem in self._stems})
        self._vocabulary = {*self._whole, *self._stems, *self._phrases, *_COMMON.split()} | {
            word
            for seconds in self._phrases.values()
            for phrases in seconds.values()
            for words, _ in phrases
            for word in words
        }
        self._longest = max(map(len, self._vocabulary), default=1)
        self._seen = _Seen(self._bits_of)

    def _add(self, entry: str, bit: int) -> None:
        words = tuple(_WORD.findall(entry))
        if len(words) > 1:
            self._phrases.setdefault(words[0], {}).setdefault(words[1], []).append((words, bit))
        elif entry.endswith("*"):
            self._stems[words[0]] = self._stems.get(words[0], 0) | bit
        else:
            self._whole[words[0]] = self._whole.get(words[0], 0) | bit

    def _bits_of(self, word: str) -> int:
        bits = self._whole.get(word, 0) | (_BEGINS if word in self._phrases else 0)
        for length in self._stem_lengths:
            if length > len(word):
                break
            bits |= self._stems.get(word[:length], 0)
        return bits

    def read(self, text: str, words: list[str]) -> Words:
        """The words of a folded text (`words_of` it) with their sets."""
        events: list[tuple[int, int]] = []
        following = [*words[1:], ""]
        for place, known in enumerate(map(self._seen.__getitem__, words)):
            bits = known & ~_BEGINS
            if bits != known and (phrases := self._phrases[words[place]].get(following[place])):
                bits |= self._of_phrases(words, place, phrases)
            if bits:
                events.append((place, bits))
        return Words(text, events)

    def _of_phrases(self, words: list[str], place: int, phrases: Sequence[tuple[tuple[str, ...], int]]) -> int:
        bits = 0
        for phrase, bit in phrases:
            if len(phrase) == 2 or tuple(words[place : place + len(phrase)]) == phrase:
                bits |= bit
        return bits

    def split(self, letters: str) -> str:
        """Letters that were run together, as the longest known words in them; linear in their number."""
        out: list[str] = []
        place = 0
        while place < len(letters):
            for length in range(min(self._longest, len(letters) - place), 1, -1):
                if letters[place : place + length] in self._vocabulary:
                    out.append(" " + letters[place : place + length])
                    place += length
                    break
            else:
                out.append(" " + letters[place])
                place += 1
        return "".join(out)


class _Seen(dict[str, int]):
    """The sets of words met so far; when there are too many, it begins anew."""

    def __init__(self, bits_of: Callable[[str], int]) -> None:
        super().__init__()
        self._bits_of = bits_of

    def __missing__(self, word: str) -> int:
        if len(self) >= _KNOWN_WORDS:
            self.clear()
        bits = self._bits_of(word)
        self[word] = bits
        return bits


class Words:
    """Words of a text; where they stand is looked up only when something was found."""

    def __init__(self, text: str, events: list[tuple[int, int]]) -> None:
        self._text = text
        self.events = events
        self._spans: list[tuple[int, int]] | None = None

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the words from `first` to `last` stand."""
        if self._spans is None:
            self._spans = [match.span() for match in _WORD.finditer(self._text)]
        return self._spans[first][0], self._spans[last][1]


def matches(words: Words, sequences: Sequence[Pattern]) -> Iterator[tuple[int, int, int]]:
    """Rule, first and last word of each match."""
    present = 0
    for _, bit in words.events:
        present |= bit
    arrays = _arrays(words.events) if len(words.events) > _LONG else None
    for sequence in sequences:
        for wanted in sequence.sets:
            if not present & wanted:
                break
        else:
            yield from _match(words, sequence, words.events if arrays is None else _near(words, arrays, sequence))


def _arrays(events: list[tuple[int, int]]) -> tuple[Any, Any]:
    return np.array([place for place, _ in events]), np.array([bits for _, bits in events], np.uint64)


def _near(words: Words, arrays: tuple[Any, Any], sequence: Pattern) -> list[tuple[int, int]]:
    """Only the words that can be part of a match: those of its sets, near one of the set that is met least."""
    places, bits = arrays
    masks = [(bits & np.uint64(wanted)) != 0 for wanted in sequence.sets]
    rare = places[min(masks, key=np.count_nonzero)]
    chosen = np.flatnonzero(np.logical_or.reduce(masks))
    at = places[chosen]
    after = np.searchsorted(rare, at)
    ahead = rare[np.minimum(after, len(rare) - 1)] - at
    behind = at - rare[np.maximum(after - 1, 0)]
    close = ((ahead >= 0) & (ahead <= sequence.within)) | ((behind >= 0) & (behind <= sequence.within))
    return [words.events[number] for number in chosen[close]]


def _match(words: Words, sequence: Pattern, events: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    count = len(sequence.sets)
    starts = [-1] * count  # the latest beginning from which the first sets were met in order
    hits = 0
    of_any = 0
    for wanted in sequence.sets:
        of_any |= wanted
    for place, bits in events:
        if not bits & of_any:
            continue
        for number in range(count - 1, -1, -1):
            if not bits & sequence.sets[number]:
                continue
            start = place if number == 0 else starts[number - 1]
            if start < 0 or place - start > sequence.within:
                continue
            starts[number] = start
            if number == count - 1 and not _excused(words, sequence, start, place):
                yield sequence.rule, start, place
                hits += 1
                starts = [-1] * count
                break
        if hits == MOST_HITS:
            return


def _excused(words: Words, sequence: Pattern, first: int, last: int) -> bool:
    if not sequence.unless:
        return False
    return any(bits & sequence.unless and first - 3 <= place <= last + 3 for place, bits in words.events)


# Words that are no rule's but stand between those that are: they keep letters that were run together readable.
_COMMON = """
a about after again an and answer are as at be because been before but by can could day did do does each everything
find first for friend from get give go good had has have he hello help her here him his how i if in into is it its
just keep know last let like list long look made make many may me mean more most much my name need never no not of off
on one only or order other our out over page pay people place please put question read right said same say see she
should show so some start still stop story such take tell than that the their them then there these they thing this
those time to today too two under until up us use very want was way we well were what when where which while who why
will with word work would write yes you your yourself and secret key code full exactly line text without any refuse
access granted
"""
