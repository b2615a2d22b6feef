"""Server-sent events, in any pieces that they may arrive in; the same events however the bytes are cut."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from gateway.edge.openai.strict import Refused

MAX_EVENT = 1 << 20
# A CR may be the first half of a CRLF, so it ends a line only when something stands behind it.
_LINE = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its data lines joined, its name if it has one. Comments, ids and retry times are dropped."""

    data: str
    name: str = ""

    def __bytes__(self) -> bytes:
        named = f"event: {self.name}\n" if self.name else ""
        return f"{named}data: {self.data}\n\n".encode()


class Events:
    """Collects bytes and gives out events."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._waiting = ""
        self._begun = False
        self._data: list[str] = []
        self._name = ""
        self._size = 0

    def add(self, piece: bytes, *, end: bool = False) -> list[Event]:
        """The events that are complete with this piece. Raises Refused for what is not UTF-8, or too large.

        An event that the end of the stream cuts off is none, as for every client.
        """
        try:
            text = self._decoder.decode(piece, end)
        except UnicodeDecodeError:
            raise Refused("invalid_stream", "The stream is not UTF-8.") from None
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        found: list[Event] = []
        self._waiting += text
        if end and self._waiting.endswith("\r"):
            self._waiting = self._waiting[:-1] + "\n"
        begin = 0
        for match in _LINE.finditer(self._waiting):
            self._line(self._waiting[begin : match.start()], found)
            begin = match.end()
        self._waiting = self._waiting[begin:]
        if len(self._waiting) + self._size > MAX_EVENT:
            raise Refused("invalid_stream", "An event of the stream is too large.")
        return found

    def _line(self, line: str, found: list[Event]) -> None:
        if not line:
            if self._data:
                found.append(Event("\n".join(self._data), self._name))
            self._data, self._name, self._size = [], "", 0
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._size += len(value)
        elif field == "event":
            self._name = value
