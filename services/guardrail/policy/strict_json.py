"""JSON as written, or a refusal: no duplicate keys, no NaN, no lone surrogates, bounded in depth and size."""

from __future__ import annotations

import json
import re
from typing import Any

MOST_DEPTH = 32
MOST_NODES = 2_000
MOST_DIGITS = 64
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


class NotStrictError(ValueError):
    """Not one strict JSON document; the text says what is wrong and shows nothing of it."""


def parse(text: str) -> Any:
    """The value; raises NotStrictError."""
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
        text.encode("utf-8")
    except NotStrictError:
        raise
    except (ValueError, RecursionError, OverflowError):
        raise NotStrictError("the text is not one JSON document") from None
    _count(value)
    return value


def canonical(value: Any) -> str:
    """One spelling for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _check_depth(text: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0]
        depth += (mark in "[{") - (mark in "]}") if len(mark) == 1 else 0
        if depth > MOST_DEPTH:
            raise NotStrictError(f"the document is nested deeper than {MOST_DEPTH} levels")


def _count(value: Any) -> None:
    left, nodes = [value], 0
    while left:
        item = left.pop()
        nodes += 1
        if nodes > MOST_NODES:
            raise NotStrictError(f"the document has more than {MOST_NODES} values")
        if isinstance(item, dict):
            left += item.values()
            strings = list(item)
        else:
            strings = [item] if isinstance(item, str) else []
            left += item if isinstance(item, list) else []
        if any("\ud800" <= character <= "\udfff" for string in strings for character in string):
            raise NotStrictError("a string holds half a character")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictError("an object has a key twice")
    return found


def _constant(_: str) -> Any:
    raise NotStrictError("NaN and Infinity are no JSON numbers")


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise NotStrictError(f"a number has more than {MOST_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if len(digits) > MOST_DIGITS or number in (float("inf"), float("-inf")):
        raise NotStrictError("a number is too large")
    return number
