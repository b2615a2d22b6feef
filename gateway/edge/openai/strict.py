"""JSON read strictly: what two readers could understand in two ways is refused, not guessed."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 64

Json = dict[str, Any]


class Refused(ValueError):
    """A body that cannot be understood as a whole, so that nothing of it passes: `code` and `param` are for the client.

    `param` is a place in the body, never its content.
    """

    def __init__(self, code: str, message: str, param: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.param = param
        self.status = status


def read(body: bytes) -> Json:
    """The one object in the body; raises Refused for anything that is not exactly that."""
    value = _decoded(body)
    if not isinstance(value, dict):
        raise Refused("invalid_json", "The body is not a JSON object.")
    _bounded(value)
    return value


def write(value: Any) -> bytes:
    """The body again, in UTF-8; raises Refused for text that UTF-8 cannot carry."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError):
        raise Refused("invalid_json", "The body holds text that is not Unicode.") from None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except UnicodeDecodeError:
        raise Refused("invalid_json", "The body is not UTF-8.") from None
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused("invalid_json", "The body is not valid JSON.") from None


def _pairs(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):  # of two, the model's server may read the other one
        raise Refused("invalid_json", "A key of the body is there twice.")
    return found


def _constant(_: str) -> NoReturn:
    raise Refused("invalid_json", "The body holds a number that JSON does not have.")


def _bounded(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Refused("invalid_json", "The body is nested too deeply.")
