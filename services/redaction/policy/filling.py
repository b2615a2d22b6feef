"""Puts values back into a text that comes in pieces, and never where the value would leave with a link.

One automaton serves whole texts and streams, so both give the same. It decides from what it has delivered (values
included: a value that opens a link is followed too) and from a few characters after the placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.redaction.policy.placeholders import Filled, Slot, open_start, slots_in
from services.redaction.policy.targets.places import Place, Places, Reader

# What can stand between a value and the "." or "@" that makes it the beginning of an address.
_JOINED = re.compile(r"(?:[\w\-]|<[A-Z][A-Z0-9_]{0,93}>)*+")
_JOINED_MOST = 128
_LONGEST = 96
# What readers see in the place of a placeholder that stays: neither structure nor the end of a word.
_OPAQUE = "_"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text, the placeholder after it (if any), and whether an address goes on behind that."""

    before: str
    slot: Slot | None = None
    written: str = ""
    joined: bool = False


class Filler:
    """One text: `take` pieces, look up the slots of the parts, `put` the parts with their values."""

    def __init__(self, known: Callable[[str], bool], hosts: frozenset[str], *further: Reader) -> None:
        self._known = known
        self._places = Places(hosts, *further)
        self._held = ""
        self.restored = self.unknown = self.withheld = 0

    def take(self, piece: str, *, last: bool = False) -> list[Part]:
        """What can be decided now; the rest, a few hundred characters at most, waits for the next piece."""
        text = self._held + piece
        parts: list[Part] = []
        done, cut = 0, len(text) if last else open_start(text)
        for slot, start, end in slots_in(text, self._known):
            joined = _joined_to_address(text, end, last)
            if joined is None:
                cut = start
                break
            parts.append(Part(text[done:start], slot, text[start:end], joined))
            done = end
        if done < cut:
            parts.append(Part(text[done:cut]))
        self._held = text[cut:]
        return parts

    def put(self, parts: Sequence[Part], values: Mapping[Slot, str]) -> str:
        """The parts as they are delivered. What a value brings in is never looked at as a placeholder again."""
        pieces: list[str] = []
        for part in parts:
            if part.before:
                pieces.append(part.before)
                self._places.feed(part.before)
            if part.slot is not None:
                pieces.append(self._written(part, values.get(part.slot)))
        return "".join(pieces)

    def _written(self, part: Part, value: str | None) -> str:
        written = None
        if value is None:
            self.unknown += 1
        else:
            place = self._places.here()
            if place is Place.SHOWN and not part.joined:
                written = value
            elif place is Place.ALLOWED_TARGET:
                written = quote(value, safe="")
        if written is None:
            self.withheld += value is not None
            self._places.feed(_OPAQUE)
            return part.written
        self.restored += 1
        self._places.feed(written)
        return written


def fill(text: str, values: Mapping[Slot, str], filler: Filler) -> Filled:
    """A whole text at once."""
    done = filler.put(filler.take(text, last=True), values)
    return Filled(done, filler.restored, filler.unknown, filler.withheld)


def _joined_to_address(text: str, end: int, last: bool) -> bool | None:
    """True when a host or mail address goes on behind a placeholder; None when more text is needed to tell."""
    limit = end + _JOINED_MOST
    run = _JOINED.match(text, end, limit + _LONGEST)
    at = run.end() if run else end
    if at >= limit:
        # Too long for a part of an address, unless placeholders hide how long it is.
        return text[end:limit].isascii()
    after = text[at : at + 3]
    if not after:
        return False if last else None
    if after[0] == "@":
        return True
    if after[0] == "<":
        return None if not last and open_start(text) == at else False
    if after[0] != ".":
        return False
    if len(after) == 1 or after == ".<":
        return False if last else None
    # A sentence ends with a blank, a tag or nothing; a host goes on with a letter or another placeholder.
    follows = after[2] if after[1] == "<" else after[1]
    return "A" <= follows <= "Z" if after[1] == "<" else follows.isalnum() or follows in "_-"
