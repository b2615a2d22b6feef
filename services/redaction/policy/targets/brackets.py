"""Markdown targets: what follows `](` and `]:`. Read more generously than any renderer reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from services.redaction.policy.targets.hosts import MOST


class _AfterBracket(ABC):
    """A target that is opened by `]` and one more character, the two possibly in different pieces."""

    _opener: str

    def __init__(self) -> None:
        self._inside = False
        self._bracket = False
        self._text = ""

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        at = 0
        while at < len(text):
            if not self._inside:
                at = self._open(text, at)
                continue
            start = at
            at = self._through(text, at)
            self._text = (self._text + text[start:at])[: MOST + 8]

    def target(self) -> str | None:
        """None: outside. Else what the target holds so far."""
        return self._text.lstrip(" \t\r\n").removeprefix("<") if self._inside else None

    def _open(self, text: str, at: int) -> int:
        if self._bracket and text[at] == self._opener:
            place = at + 1
        else:
            found = text.find("]" + self._opener, at)
            place = found + 2 if found >= 0 else 0
        self._bracket = not place and text[-1] == "]"
        if not place:
            return len(text)
        self._inside = True
        self._text = ""
        self._begin()
        return place

    @abstractmethod
    def _begin(self) -> None:
        """Stands at the beginning of a target."""

    @abstractmethod
    def _through(self, text: str, at: int) -> int:
        """Reads on to the end of the target or of the text; says where it stopped."""


class LinkTarget(_AfterBracket):
    """`](` to its closing parenthesis or the end of the paragraph: blanks, line breaks, angles and titles included."""

    _opener = "("

    def _begin(self) -> None:
        self._depth = 1
        self._angle = self._escaped = self._blank = False
        self._start = True

    def _through(self, text: str, at: int) -> int:
        for place in range(at, len(text)):
            ch = text[place]
            if ch == "\n":
                if self._blank:
                    self._inside = False
                    return place
                self._blank, self._escaped = True, False
            elif ch not in " \t\r":
                self._read(ch)
                if not self._depth:
                    self._inside = False
                    return place + 1
            else:
                self._escaped = False
        return len(text)

    def _read(self, ch: str) -> None:
        # Where renderers differ (an escaped or angled parenthesis), one that opens counts and one that closes does not.
        escaped, self._escaped = self._escaped, ch == "\\" and not self._escaped
        if ch == "(":
            self._depth += 1
        elif not escaped:
            if ch == "<" and self._start:
                self._angle = True
            elif ch == ">":
                self._angle = False
            elif ch == ")" and not self._angle:
                self._depth -= 1
        self._start = self._blank = False


class Definition(_AfterBracket):
    """`]:` and the word after it, or what stands in angles there: `[name]: target`."""

    _opener = ":"

    def _begin(self) -> None:
        self._start = True
        self._angle = self._escaped = self._broken = False

    def _through(self, text: str, at: int) -> int:
        for place in range(at, len(text)):
            ch = text[place]
            if self._start and ch in " \t\r\n":
                if ch == "\n" and self._broken:
                    self._inside = False
                    return place
                self._broken = self._broken or ch == "\n"
                continue
            if self._start:
                self._start, self._angle = False, ch == "<"
            ends = ch in ">\n" and not self._escaped if self._angle else ch in " \t\r\n"
            self._escaped = ch == "\\" and not self._escaped
            if ends:
                self._inside = False
                return place + 1
        return len(text)
