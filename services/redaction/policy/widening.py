"""A pattern made wider and simpler, so that an engine for many patterns at once can tell where it may match at all.

Looks ahead and behind and the edges of words are left out, and whatever is not ASCII passes for a digit, a letter and a
blank: what matches the pattern matches the wider one, in any engine and with any tables of characters. What an engine
cannot read even so is not its business; its recognizer is asked every time.
"""

from __future__ import annotations

import re

_LOOKS = ("(?=", "(?!", "(?<=", "(?<!")
_BEYOND = r"\x{80}-\x{10ffff}"
# A class by its letter, as members of brackets.
_MEMBERS = {
    "d": f"0-9{_BEYOND}",
    "w": f"A-Za-z0-9_{_BEYOND}",
    "s": rf"\t-\r\x1c-\x20{_BEYOND}",
    "D": rf"\x00-/:-\x7f{_BEYOND}",
    "W": rf"\x00-/:-@\[-\^`{{-\x7f{_BEYOND}",
    "S": rf"\x00-\x08\x0e-\x1b!-\x7f{_BEYOND}",
}
_NOTHING = frozenset("bBAZz")
# What all engines read alike. Anything else (fuzzy counts, recursion, atomic groups) is not widened.
_PLAIN = re.compile(
    r"(?:[^\\({]|\\(?:[^A-Za-z0-9]|[dDwWsSbBAZznrtfv1-9]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})"
    r"|\((?:\?(?::|i\)|P<\w+>|<?[=!])|(?!\?))|\{[0-9]+(?:,[0-9]*)?\}(?!\+))*"
)


def readable(pattern: str) -> bool:
    """True when the pattern has nothing that engines read differently."""
    return _PLAIN.fullmatch(pattern) is not None


def widened(pattern: str) -> str:
    """The pattern without conditions on what stands around."""
    kept: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            letter = pattern[at + 1 : at + 2]
            if letter in _MEMBERS:
                kept.append(f"[{_MEMBERS[letter]}]")
            elif letter == "u":
                kept.append(rf"\x{{{pattern[at + 2 : at + 6]}}}")
                at += 4
            elif letter not in _NOTHING:
                kept.append(pattern[at : at + 2])
            at += 2
        elif pattern[at] == "[":
            end = _end_of_class(pattern, at)
            kept.append(_class(pattern[at:end]))
            at = end
        elif pattern.startswith(_LOOKS, at):
            at = _end_of_group(pattern, at)
        else:
            if pattern[at] not in "^$":
                kept.append(pattern[at])
            at += 1
    return "".join(kept)


def _class(written: str) -> str:
    """Brackets with their letters spelled out; what leaves out such a kind of character is any character."""
    parts: list[str] = []
    at = 0
    while at < len(written):
        pair = written[at : at + 2]
        if pair[0] != "\\":
            parts.append(pair[0])
            at += 1
            continue
        if pair[1] in _MEMBERS and written[1] == "^":
            return "."
        parts.append(_MEMBERS.get(pair[1], pair))
        at += 2
    return "".join(parts)


def _end_of_class(pattern: str, start: int) -> int:
    """Behind the bracket that closes the class; a closing one right at its beginning is a member."""
    at = start + 1
    if pattern[at : at + 1] == "^":
        at += 1
    first = at
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _end_of_group(pattern: str, start: int) -> int:
    """Behind the bracket that closes the group."""
    depth, at = 0, start
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 2
            continue
        if pattern[at] == "[":
            at = _end_of_class(pattern, at)
            continue
        depth += {"(": 1, ")": -1}.get(pattern[at], 0)
        at += 1
        if depth == 0:
            break
    return at
