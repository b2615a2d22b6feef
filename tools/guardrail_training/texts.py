"""The generated texts: attacks, harmless ones that sound alike, and tasks, from the templates beside this file."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.guardrail_training.grammar import fill, many

_LENGTHS = (120, 300, 900)


def templates(name: str) -> Any:
    """Templates and words by name."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))


def english(name: str, count: int, seed: int) -> list[str]:
    """Texts of `attacks` or `benign` in English."""
    found = templates(name)
    return many(found["templates"], found["words"], count, seed)


def other_languages(name: str, count: int, seed: int) -> list[str]:
    """The same in other languages."""
    found = templates(name)
    return many(found["other_languages"], found["foreign"], count, seed)


def styles(name: str, count: int, seed: int) -> list[str]:
    """Texts of `attacks` or `harmless` in more styles; words of the other files serve as well."""
    found = templates("styles")
    words = {**templates("benign")["words"], **templates("attacks")["words"], **found["words"]}
    return many(found[name], words, count, seed)


def tasks(passages: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """Texts of tasks; passages are those of another harmless set."""
    found = templates("tasks")
    chance = random.Random(seed)  # noqa: S311 - reproducible texts, no secret
    frames = found["templates"]
    for turn in range(count):
        passage = chance.choice(passages)[: chance.choice(_LENGTHS)]
        words = {**found["words"], "passage": [passage.replace("{", "(")]}
        yield fill(frames[turn % len(frames)], words, chance)
