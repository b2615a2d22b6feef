"""Rules over words: sets of words in an order, close to each other. One pass over the words, whatever the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.guardrail.policy.fold import fold

_WORD = re.compile(r"[^\W_]+(?:'[a-z]{1,3})?")
_BEGINS = 1  # the bit of a word that phrases begin with
MOST_HITS = 4  # of one rule in one view: enough to weigh what stands together


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
        self._phrases: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for name, entries in sets.items():
            for entry in entries:
                self._add(fold(str(entry)), self.bits[name])
        self._stem_lengths = sorted({len(stem) for stem in self._stems})
        self._vocabulary = {*self._whole, *self._stems, *self._phrases} | {
            word for phrases in self._phrases.values() for words, _ in phrases for word in words
        }
        self._longest = max(map(len, self._vocabulary), default=1)
        self.bits_of = lru_cache(maxsize=16_384)(self._bits_of)

    def _add(self, entry: str, bit: int) -> None:
        words = tuple(_WORD.findall(entry))
        if len(words) > 1:
            self._phrases.setdefault(words[0], []).append((words, bit))
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

    def read(self, text: str) -> Words:
        """The words of a folded text with their sets."""
        words: list[str] = _WORD.findall(text)
        known = [(place, bits) for place, bits in enumerate(map(self.bits_of, words)) if bits]
        return Words(text, [(place, self._with_phrases(words, place, bits)) for place, bits in known])

    def _with_phrases(self, words: list[str], place: int, bits: int) -> int:
        if bits & _BEGINS:
            bits ^= _BEGINS
            for phrase, bit in self._phrases[words[place]]:
                if tuple(words[place : place + len(phrase)]) == phrase:
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


class Words:
    """Words of a text; where they stand is looked up only when something was found."""

    def __init__(self, text: str, events: list[tuple[int, int]]) -> None:
        self._text = text
        self.events = [event for event in events if event[1]]
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
    for sequence in sequences:
        if all(present & wanted for wanted in sequence.sets):
            yield from _match(words, sequence)


def _match(words: Words, sequence: Pattern) -> Iterator[tuple[int, int, int]]:
    count = len(sequence.sets)
    starts = [-1] * count  # the latest beginning from which the first sets were met in order
    hits = 0
    for place, bits in words.events:
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
