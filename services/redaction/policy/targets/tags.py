"""HTML: attribute values, autolinks in angles, and the insides of script and style."""

from __future__ import annotations

import re
from functools import lru_cache

from services.redaction.policy.targets.hosts import MOST

# What may be going on, several at once: renderers differ in which "<" begins a tag (code, comments, escapes), so every
# one may, also inside another, and the reading is outside only when it is outside under every assumption.
_LT, _NAME, _INNER, _HOT, _EQUALS, _DOUBLE, _SINGLE = (1 << n for n in range(7))
_TARGET = _HOT | _EQUALS | _DOUBLE | _SINGLE
_CLASSES = dict.fromkeys(" \t\r\n\f", " ") | {ch: ch for ch in "<>=\"':"} | dict.fromkeys("/!?", "a")
_CLASSES |= dict.fromkeys("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "a")
_ATTRIBUTE = re.compile(r"<(?:a|img)\s(?:[^<>]*\s)?(?:href|src)=([\"'])(?P<url>[^\"'<>\s]*)", re.IGNORECASE)
_RAW = {"script": re.compile("</script", re.IGNORECASE), "style": re.compile("</style", re.IGNORECASE)}
_RAW_OPEN = re.compile("<(script|style)", re.IGNORECASE)
_RAW_TAIL = 8


class Tag:
    """Inside a tag, from the first "=" on; inside `<scheme:`."""

    def __init__(self) -> None:
        self._state = 0
        self._text = ""

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        at = 0
        while at < len(text):
            if not self._state:
                at = text.find("<", at)
                if at < 0:
                    return
                self._text = ""
            start = at
            state = self._state
            for at in range(start, len(text)):
                state = _step(state, _CLASSES.get(text[at], "x"))
                if not state:
                    break
            self._state = state
            at += 1
            self._text = (self._text + text[start:at])[: MOST + 64]

    def target(self) -> str | None:
        """None: outside. Else the address of a plain link or image as far as it goes; empty for all else."""
        if not self._state & _TARGET:
            return None
        if self._state in (_DOUBLE, _SINGLE):
            match = _ATTRIBUTE.fullmatch(self._text) if len(self._text) <= MOST else None
            return match["url"] if match else ""
        return self._text[1:] if self._state in (_HOT, _EQUALS) else ""


@lru_cache(maxsize=4096)
def _step(state: int, ch: str) -> int:
    after = _LT if ch == "<" else 0
    if state & _LT and ch == "a":
        after |= _NAME
    if state & _NAME:
        after |= {">": 0, " ": _INNER, "=": _EQUALS, ":": _HOT}.get(ch, _NAME)
    if state & _INNER:
        after |= {">": 0, "=": _EQUALS}.get(ch, _INNER)
    if state & _HOT:
        after |= {">": 0, "=": _EQUALS}.get(ch, _HOT)
    if state & _EQUALS:
        after |= {">": 0, " ": _EQUALS, '"': _DOUBLE, "'": _SINGLE}.get(ch, _HOT)
    if state & _DOUBLE:
        after |= _HOT if ch == '"' else _DOUBLE
    if state & _SINGLE:
        after |= _HOT if ch == "'" else _SINGLE
    return after


class RawText:
    """Between `<script` or `<style` and its end everything is code."""

    def __init__(self) -> None:
        self._within = ""
        self._tail = ""

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        text = self._tail + text
        at = 0
        while True:
            match = (_RAW[self._within] if self._within else _RAW_OPEN).search(text, at)
            if match is None:
                break
            self._within = "" if self._within else match[1].lower()
            at = match.end()
        self._tail = text[max(at, len(text) - _RAW_TAIL) :]

    def target(self) -> str | None:
        """None: outside. Inside, nothing is ever an address that could be told."""
        return "" if self._within else None
