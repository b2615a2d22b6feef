"""The model card: written with the weights, so that its figures are theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.guardrail_training.calibrate import LEAST_TEXTS
from tools.guardrail_training.data import Row

_CARD = Path(__file__).with_suffix(".md")


def card_of(
    rows: Sequence[Row],
    families: Mapping[str, Mapping[str, float | int]],
    version: str,
    size: int,
    seconds: float,
) -> str:
    """The text."""
    counts = Counter((row.family, row.attack) for row in rows)
    data = ["| family | attacks | harmless |", "|---|---|---|"]
    data += [
        f"| {name} | {counts[name, True]:,} | {counts[name, False]:,} |"
        for name in sorted({row.family for row in rows})
    ]
    told = ["| family left out | attacks | recall | harmless | stopped |", "|---|---|---|---|---|"]
    for name, row in families.items():
        told.append(
            f"| {name} | {_number(row.get('attacks'))} | {_percent(row.get('recall'))} "
            f"| {_number(row.get('harmless'))} | {_percent(row.get('stopped'))} |"
        )
    return _CARD.read_text(encoding="utf-8").format(
        version=version, size=size, seconds=seconds, data="\n".join(data), families="\n".join(told), least=LEAST_TEXTS
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
