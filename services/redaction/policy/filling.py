"""Puts values back into a text that comes in pieces, and never where the value would leave with a link.

One automaton serves whole texts and streams, so both give the same. It decides from what it has delivered (values
included: a value that opens a link is followed too) and from a few characters after the placeholder.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.redaction.policy.model import LITERAL
from services.redaction.policy.placeholders import Filled, Slot, open_start, slots_in
from services.redaction.policy.sinks import Outlet, Sink
from services.redaction.policy.spelling import spelling_at
from services.redaction.policy.targets.places import Place, Places, Reader

# What can stand between a value and the "." or "@" that makes it the beginning of an address.
_WORD = re.compile(r"[\w\-]*+")
_JOINED_MOST = 128
_OPENERS = "<&\\"
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

    def __init__(self, outlet: Outlet, *further: Reader) -> None:
        self._outlet = outlet
        self._known = outlet.known
        self._places = Places(outlet.hosts, *further)
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
        if value is None or part.slot is None:
            self.unknown += 1
        else:
            written = self._for_here(part, part.slot.entity, value)
        if written is None:
            self.withheld += value is not None
            self._places.feed(_OPAQUE)
            return part.written
        self.restored += 1
        self._places.feed(written)
        return written

    def _for_here(self, part: Part, entity: str, value: str) -> str | None:
        """The value as it has to be written here; None where it may not go."""
        place = self._places.here()
        line = self._places.line
        if place is Place.ALLOWED_TARGET:
            into = Sink.IMAGE if line.image else Sink.LINK
            return quote(value, safe="") if self._outlet.allows(entity, into) else None
        if place is not Place.SHOWN or part.joined or not self._outlet.allows(entity):
            return None
        if entity == LITERAL:  # what the text itself held comes back as it was
            return value
        # A placeholder written with entities says that the text is HTML, and is what comes in its place.
        return html.escape(value, quote=False) if part.written[0] == "&" else line.escaped(value)


def fill(text: str, values: Mapping[Slot, str], filler: Filler) -> Filled:
    """A whole text at once."""
    done = filler.put(filler.take(text, last=True), values)
    return Filled(done, filler.restored, filler.unknown, filler.withheld)


def _joined_to_address(text: str, end: int, last: bool) -> bool | None:
    """True when a host or mail address goes on behind a placeholder; None when more text is needed to tell."""
    limit = end + _JOINED_MOST
    at = end
    while at < limit:
        run = _WORD.match(text, at, limit)
        at = run.end() if run else at
        behind = spelling_at(text, at) if at < limit else 0
        if not behind:
            break
        at = behind
    if at >= limit:
        # Too long for a part of an address, unless placeholders hide how long it is.
        return text[end:limit].isascii()
    after = text[at : at + 1]
    if not after:
        return False if last else None
    if after == "@":
        return True
    if after in _OPENERS:
        return None if not last and open_start(text) == at else False
    return _goes_on_after(text, at + 1, last) if after == "." else False


def _goes_on_after(text: str, at: int, last: bool) -> bool | None:
    """A sentence ends with a blank, a tag or nothing; a host goes on with a letter or another placeholder."""
    follows = text[at : at + 1]
    if not follows:
        return False if last else None
    if follows in _OPENERS:
        if spelling_at(text, at):
            return True
        return None if not last and open_start(text) == at else False
    return follows.isalnum() or follows in "_-"
