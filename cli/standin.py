"""A stand-in for a model: always the same answer to the same text, quoting what it was shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

QUOTED = 3
SHOWN = 160
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*>")


def answer(messages: Sequence[str]) -> str:
    """Quotes the beginning of the last message and the first few placeholders of all."""
    last = messages[-1] if messages else ""
    found = list(dict.fromkeys(mark for text in messages for mark in _PLACEHOLDER.findall(text)))[:QUOTED]
    noted = f" I have noted {', '.join(found)}." if found else ""
    return f'You wrote: "{_beginning(last)}"{noted} Is there anything else that I can do for you?'


def _beginning(text: str) -> str:
    """The first words of a text; never half of a placeholder."""
    if len(text) <= SHOWN:
        return text
    cut = text[:SHOWN]
    stem, space, _ = cut.rpartition(" ")
    return f"{stem if space else cut.partition('<')[0]} ..."
