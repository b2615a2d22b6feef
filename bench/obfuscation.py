"""`obfuscation`: 200 attacks that the model never saw, hidden in every way that is looked behind.

`recall` is the share of all attacks that are refused, `of_plain` that share by the recall of the plain ones. `refused`
counts harmless texts that were stopped: all that were written for measuring, and those with emoji or in other languages
(Persian, Hindi, Chinese, Russian and others) once more by themselves. A row's times are of one look at one text.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from bench.guardrail_texts import attacks, harmless
from bench.hidings import HIDINGS
from bench.rows import Row, row
from services.guardrail.bootstrap import load_model, load_rules
from services.guardrail.policy.inspect import Looking, inspect
from services.guardrail.policy.model import Part, Source, Verdict
from services.guardrail.settings import GuardrailSettings

SCRIPTS = "scripts and emoji"


async def run(small: bool) -> list[Row]:
    """One row for plain texts, one for each way of hiding, two for harmless texts."""
    settings = GuardrailSettings.model_validate({})
    book, learned = load_rules(settings), load_model(settings)
    looking = Looking(learned, book.choices.default.budget)

    def look(text: str) -> Verdict:
        return inspect(book, [Part(Source.USER, text)], looking)

    def measured(case: str, texts: Iterable[str]) -> tuple[Row, list[Verdict]]:
        taken, seen = [], []
        for text in texts:
            started = time.perf_counter()
            seen.append(look(text))
            taken.append(time.perf_counter() - started)
        return row(case, taken), seen

    plain = attacks()[:: 20 if small else 1]
    first, seen = measured("plain", plain)
    found = sum(verdict.refused for verdict in seen)
    rows: list[Row] = [{**first, "recall": round(found / len(plain), 4), "of_plain": 1.0}]
    for name, hide in HIDINGS.items():
        one, seen = measured(name, map(hide, plain))
        refused = sum(verdict.refused for verdict in seen)
        rows.append({**one, "recall": round(refused / len(plain), 4), "of_plain": round(refused / max(found, 1), 4)})
    kinds = harmless()[:: 20 if small else 1]
    for name, texts in (
        ("harmless", [text for _, text in kinds]),
        (f"harmless, {SCRIPTS}", [text for kind, text in harmless() if kind == SCRIPTS or "language" in kind]),
    ):
        one, seen = measured(name, texts)
        rows.append({**one, "refused": sum(verdict.refused for verdict in seen)})
    return rows
