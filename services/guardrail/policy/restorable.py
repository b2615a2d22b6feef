"""Which kinds of personal data an argument asks for by itself: `x-restore` of a tool's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from services.guardrail.policy import strict_json
from services.guardrail.policy.definition import RESTORE, escape, resolve

_MOST = 256
_LONGEST = 256


@lru_cache(maxsize=1_024)
def restorable(schema: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """JSON pointers (`*`: every item or member) and the entities that may be filled in there. What does not fit into an
    answer is left out: then less is filled in."""
    document = strict_json.parse(schema)
    found = {pair for pair in _asked(document, document, "") if len(pair[0]) <= _LONGEST}
    return tuple(sorted(found)[:_MOST])


def _asked(document: Mapping[str, Any], schema: Any, pointer: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for part in resolve(document, schema):
        if RESTORE in part:
            yield pointer, tuple(sorted(set(part[RESTORE])))
        for name, below in part.get("properties", {}).items():
            # A property called "*" would read as every one.
            if name != "*":
                yield from _asked(document, below, f"{pointer}/{escape(name)}")
        yield from _asked(document, part.get("items"), f"{pointer}/*")
