"""Which regular expressions may meet text of strangers: those that cannot take more than linear time, or nearly so.

Python's engine backtracks. A repeat inside a repeat, or many open repeats in one pattern, lets a short text take
minutes; so both are refused where the pattern is accepted, not noticed where it is used.
"""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 1_000
MOST_OPEN = 2
_WIDE = 128  # a counted repeat up to this far costs a constant
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
_REFUSED = (codes.GROUPREF, codes.GROUPREF_EXISTS)


def flaw_of(pattern: str, most_open: int = MOST_OPEN) -> str:
    """Why the pattern may not be used; empty when it may."""
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST} characters"
    try:
        tree = parser.parse(pattern)
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return "is not a regular expression"
    try:
        open_repeats = _walk(tree, inside=False)
    except ValueError as error:
        return str(error)
    return f"has more than {most_open} open repeats" if open_repeats > most_open else ""


def _walk(tree: Any, *, inside: bool) -> int:
    """Counts the open repeats; raises ValueError for what is never allowed."""
    found = 0
    for code, argument in tree:
        if code in _REFUSED:
            raise ValueError("refers back to a group")
        if code in _REPEATS:
            _, most, body = argument
            is_open = most is codes.MAXREPEAT or most > _WIDE
            if inside and (is_open or most > 1) and _repeats(body):
                raise ValueError("repeats a repeat")
            if _repeats(body) and most > 1:
                raise ValueError("repeats a repeat")
            found += is_open + _walk(body, inside=True)
        elif code is codes.POSSESSIVE_REPEAT:
            found += _walk(argument[2], inside=inside)
        else:
            for part in _children(argument):
                found += _walk(part, inside=inside)
    return found


def _repeats(tree: Any) -> bool:
    """Whether something in it repeats without being final about it."""
    return any(
        (code in _REPEATS and argument[1] > 1) or any(_repeats(part) for part in _children(argument))
        for code, argument in tree
    )


def _children(argument: Any) -> list[Any]:
    if isinstance(argument, parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [part for item in argument for part in _children(item)]
    return []
