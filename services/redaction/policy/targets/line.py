"""The line and paragraph that a value lands in: what in it would end a table's cell or a link's text, and images."""

from __future__ import annotations

import re

_ROW = re.compile(r"[ \t>]*\|")
_HEAD = 64
_BRACKET = re.compile(r"\\.|[\[\]]")
# Only these two can hold a target into which a value may go; `<i` is more than images, which is the careful side.
_IMAGE = re.compile(r"!\[|<i", re.IGNORECASE)
_PIPE = re.compile(r"(?<!\\)\|")
_UNESCAPED = re.compile(r"(?<!\\)([\[\]])")
_BREAK = re.compile(r"\s*[\r\n]\s*")


class Line:
    """Follows the present line (its beginning and its brackets) and whether the paragraph holds an image. Pieces may be
    cut anywhere: the answer is the same."""

    def __init__(self) -> None:
        self._head = self._escape = self._last = ""
        self._open = 0
        self._empty = True
        self.image = False

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        for number, line in enumerate(text.split("\n")):
            if number:
                if self._empty:
                    self.image = False
                self._empty = True
                self._head = self._escape = self._last = ""
                self._open = 0
            if line:
                self._go_on(line)

    def escaped(self, value: str) -> str:
        """The value, so that it ends neither the cell nor the link text that it stands in."""
        if _ROW.match(self._head):
            value = _PIPE.sub(r"\\|", _BREAK.sub(" ", value))
        if self._open and ("[" in value or "]" in value):
            value = _UNESCAPED.sub(r"\\\1", value)
        return value

    def _go_on(self, line: str) -> None:
        self._empty = self._empty and not line.strip(" \t\r")
        if not self.image:
            self.image = _IMAGE.search(self._last + line) is not None
        self._last = line[-1]
        if len(self._head) < _HEAD:
            self._head = (self._head + line)[:_HEAD]
        line = self._escape + line
        self._escape = "\\" if (len(line) - len(line.rstrip("\\"))) % 2 else ""
        if "[" in line or "]" in line:
            for match in _BRACKET.finditer(line):
                if match[0] == "[":
                    self._open += 1
                elif match[0] == "]":
                    self._open = max(0, self._open - 1)
