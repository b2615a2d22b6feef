"""Texts to measure the guardrail on, never learned from: harmless ones that sound like attacks, and attacks in other
words than those of the training templates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def harmless() -> list[tuple[str, str]]:
    """Kind and text, more than 500."""
    return list(dict.fromkeys(_harmless()))


def _harmless() -> Iterator[tuple[str, str]]:
    for group in _texts()["harmless"]:
        for thing, ask in itertools.product(group["things"], group["asks"]):
            text = ask.replace("{}", thing)
            yield group["kind"], text.capitalize() if group["kind"] == "words" else text


def attacks(count: int = 200) -> list[str]:
    """Attacks in plain words, to hide in every way."""
    parts = _texts()["attacks"]
    pairs = list(itertools.product(parts["overrule"], parts["aims"]))
    openings = itertools.cycle(parts["openings"])
    found = [f"{opening}{overrule} {aim}." for opening, (overrule, aim) in zip(openings, pairs, strict=False)]
    turned = [f"{aim[4:].strip().capitalize()}; {overrule[0].lower()}{overrule[1:]}!" for overrule, aim in pairs]
    return [*found, *turned][:count]


def _texts() -> Any:
    return yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
