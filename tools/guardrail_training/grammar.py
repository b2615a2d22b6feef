"""Texts from templates: every `{name}` becomes one of the words of that name, by a seeded choice."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

_SLOT = re.compile(r"\{([a-z_]+)\}")
_DEPTH = 6


def fill(template: str, words: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    """One text."""
    text = template
    for _ in range(_DEPTH):
        changed = _SLOT.sub(lambda match: chance.choice(words[match[1]]) if match[1] in words else match[0], text)
        if changed == text:
            break
        text = changed
    return " ".join(text.split(" ")).strip()


def many(
    templates: Sequence[str], words: Mapping[str, Sequence[str]], count: int, seed: int, varied: bool = True
) -> list[str]:
    """Up to `count` different texts; `varied` also changes case and the full stop as people do."""
    chance = random.Random(seed)  # noqa: S311 - reproducible texts, no secret
    found: dict[str, None] = {}
    for turn in range(count * 4):
        text = fill(templates[turn % len(templates)], words, chance)
        found[_varied(text, chance) if varied else text] = None
        if len(found) == count:
            break
    return list(found)


def _varied(text: str, chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.08:
        return text.upper()
    if draw < 0.22:
        return text.lower()
    if draw < 0.34:
        return text.rstrip(".!?")
    return text
