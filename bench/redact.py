"""Redaction by patterns beside Presidio's AnalyzerEngine (blank tokenizer, context on, same entities), in one run."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from datafog.processing.text_processing.regex_annotator.regex_annotator import RegexAnnotator

from bench import presidio_side
from bench.redact_processes import scale
from bench.redact_start import start
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.bootstrap import load_rules, make_namer, make_scanner, start_namer
from services.redaction.policy.model import SUPERSEDED_ENTITIES
from services.redaction.policy.scan import scan
from services.redaction.settings import RedactionSettings

Case = dict[str, Any]
_ROUNDS = 5
_PROSE = (
    "We would like to know how the new garden tools compare with the older ones, and whether the people who bought "
    "them last season were content. Some wrote that the handles feel lighter; others prefer the wooden kind. "
)
_SHORT = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010, write to jane.doe@example.com"
_DENSE = (
    "Jane Roe, jane.roe@example.com, (415) 555-2671, born 03/15/1980, SSN 219-09-9999, card 4532 0151 1283 0366; "
    "call her office at +44 20 7946 0958 before January 5, 2024. "
)
DENSE = (_DENSE * 16)[:2048]


async def run(small: bool) -> list[Case]:
    """The cases, each with `ratio_to_presidio`: how many times faster the median is; `+ names` by our model as well."""
    theirs, datafog = _theirs(), RegexAnnotator()
    search_patterns = ours()
    texts = {
        "clean 2 kB": ((_PROSE * 12)[:2048], 200 if small else 5000, 10 if small else 200),
        "short with data": (_SHORT, 200 if small else 5000, 10 if small else 300),
        "dense 2 kB": (DENSE, 50 if small else 1000, 5 if small else 50),
        "log 100 kB": ("".join(_log_lines())[: 10_000 if small else 100_000], 3 if small else 21, 1 if small else 3),
    }
    cases = []
    others: dict[str, list[list[float]]] = {}
    for name, (text, n, m) in texts.items():
        turns = _turns((search_patterns, n), (theirs, m), (datafog.annotate_with_spans, max(3, n // 5)), text)
        mine, *others[name] = turns.times
        cases.append(_case(name, mine, *others[name]) | turns.ratios())
    async with _with_names() as search:
        if search is not None:
            for name, (text, n, _) in texts.items():
                taken = await _awaited(search, text, max(2, n // 50))
                cases.append(_case(f"{name} + names", taken, *others[name]))
    scaled = await asyncio.to_thread(scale, DENSE, 0.5 if small else 5.0)
    dense = next(case for case in cases if case["case"] == "dense 2 kB")
    return [*cases, {**dense, "case": "dense 2 kB, 2 processes", **scaled}, start(small)]


def _case(name: str, mine: list[float], presidio: list[float], datafog: list[float]) -> Case:
    p50, n = statistics.median(mine), len(mine)
    return {
        "case": name,
        "n": n,
        "p50_ms": round(p50, 4),
        "p99_ms": round(sorted(mine)[min(n - 1, int(n * 0.99))], 4),
        "per_second": round(1000 / p50, 1),
        "ratio_to_presidio": round(statistics.median(presidio) / p50, 1),
        "presidio_p50_ms": round(statistics.median(presidio), 4),
        # Four kinds by patterns only, no names, no secrets, no addresses: for the scale of it.
        "ratio_to_datafog": round(statistics.median(datafog) / p50, 2),
        "datafog_p50_ms": round(statistics.median(datafog), 4),
    }


@dataclass
class _Turns:
    """Milliseconds of each side; and of each turn, milliseconds of processor time that one search of each side took."""

    times: list[list[float]]
    processor: list[list[float]]
    medians: list[list[float]]

    def ratios(self) -> dict[str, float]:
        """Theirs by ours, turn by turn, so that both saw the same machine; by processor time others count even less."""
        by_clock = statistics.median(theirs / ours for ours, theirs, _ in self.medians)
        by_processor = statistics.median(theirs / ours for ours, theirs, _ in self.processor)
        return {"ratio_to_presidio": round(by_clock, 1), "ratio_by_processor_time": round(by_processor, 1)}


def _turns(
    ours: tuple[Callable[[str], Any], int],
    theirs: tuple[Callable[[str], Any], int],
    datafog: tuple[Callable[[str], Any], int],
    text: str,
) -> _Turns:
    """Each side a part of its searches, then again: what others do to the machine meanwhile meets all of them."""
    sides = (ours, theirs, datafog)
    rounds = max(1, min(_ROUNDS, theirs[1]))
    found = _Turns([[] for _ in sides], [], [])
    for search, _ in sides:
        search(text)
    for _ in range(rounds):
        processor, medians = [], []
        for side, (search, n) in enumerate(sides):
            begun = time.process_time()
            taken = _times(search, text, max(1, n // rounds))
            processor.append((time.process_time() - begun) * 1000 / len(taken))
            medians.append(statistics.median(taken))
            found.times[side] += taken
        found.processor.append(processor)
        found.medians.append(medians)
    return found


def _times(search: Callable[[str], Any], text: str, n: int) -> list[float]:
    times = []
    for _ in range(n):
        started = time.perf_counter()
        search(text)
        times.append((time.perf_counter() - started) * 1000)
    return times


async def _awaited(search: Callable[[str], Awaitable[Any]], text: str, n: int) -> list[float]:
    await search(text)
    times = []
    for _ in range(n):
        started = time.perf_counter()
        await search(text)
        times.append((time.perf_counter() - started) * 1000)
    return times


def ours() -> Callable[[str], Any]:
    """A search by the shipped policy, names left out."""
    book = load_rules(RedactionSettings.load({}), PresidioDetector().findable)
    rules = book.rules_for("bench", "")
    return lambda text: scan(text, rules, book.knows)


@asynccontextmanager
async def _with_names() -> AsyncIterator[Callable[[str], Awaitable[Any]] | None]:
    """A search by the shipped policy and the shipped model, in its processes; None when the settings want no model."""
    settings = RedactionSettings.model_validate({"redaction_names_timeout": 30.0})
    namer = make_namer(settings)
    if namer is None:
        yield None
        return
    await start_namer(settings, namer)
    book, pool = make_scanner(settings, namer)
    rules = book.rules_for("bench", "")
    try:
        yield lambda text: pool.scan([text], rules)
    finally:
        pool.close()
        namer.close()


def _theirs() -> Callable[[str], Any]:
    wanted = SUPERSEDED_ENTITIES & load_rules(RedactionSettings.load({}), PresidioDetector().findable).base.entities
    engine = presidio_side.engine(presidio_side.superseded(wanted))
    entities = sorted(wanted)
    return lambda text: engine.analyze(text, language="en", entities=entities)


def _log_lines() -> Iterator[str]:
    for n in range(1400):
        yield (
            f"2024-01-{n % 28 + 1:02d} 10:23:{n % 60:02d}.{n % 1000:03d} INFO [worker-{n % 9}] 10.0.{n % 255}.1 "
            f"GET /v1/items/{n * 7919} 200 {n % 5000}\n"
        )
