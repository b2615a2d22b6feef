"""Restore: every cutting of a text gives what the whole gives, and what it costs.

`chunkings` counts mismatches (there may be none) and what waited at most; the others say how fast a text is filled in,
whole and in pieces of a model's size.
"""

from __future__ import annotations

import asyncio
import random
import time

from bench.chunkings import SPELLINGS, VALUES, Proven, outlet, prove, streamed
from bench.rows import Row, row
from services.redaction.policy.filling import Filler, fill
from services.redaction.policy.sinks import Sink

_SENTENCE = "Dear {}, we have seen your note of last week and will write to {} again before the end of the month. "


async def run(small: bool) -> list[Row]:
    """20 000 chunkings at full size."""
    return await asyncio.to_thread(_rows, small)


def _rows(small: bool) -> list[Row]:
    count, rounds = (300, 20) if small else (20_000, 400)
    each, proven = _proven(count)
    rows = [
        row(
            "chunkings",
            each,
            mismatches=proven.mismatches,
            restored=proven.restored,
            withheld=proven.withheld,
            most_held_characters=proven.most_held,
        )
    ]
    issued = [str(slot) for slot in VALUES]
    prose = "".join(_SENTENCE.format(issued[n % len(issued)], issued[(n + 1) % len(issued)]) for n in range(20))[:2048]
    damaged = "".join(_SENTENCE.format(SPELLINGS[n % 8], SPELLINGS[(n + 1) % 8]) for n in range(20))[:2048]
    for case, text in {
        "2 kB, placeholders": prose,
        "2 kB, rewritten placeholders": damaged,
        "2 kB, none": "a word, another one < 3 & so on; " * 64,
        "100 kB, placeholders": prose * 50,
    }.items():
        rows += _timed(case, text, rounds if len(text) < 10_000 else max(3, rounds // 20))
    return rows


def _proven(count: int) -> tuple[list[float], Proven]:
    """Seconds of each text, whole and cut, and what all of them came to."""
    rnd, proven, each = random.Random(3), Proven(), []
    for _ in range(count):
        started = time.perf_counter()
        prove(1, rnd.getrandbits(32), proven)
        each.append(time.perf_counter() - started)
    return each, proven


def _timed(case: str, text: str, rounds: int) -> list[Row]:
    where = outlet(Sink.SHOWN)
    rnd = random.Random(5)
    whole, pieces = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        done = fill(text, VALUES, Filler(where))
        whole.append(time.perf_counter() - started)
        started = time.perf_counter()
        cut = streamed(text, VALUES, rnd, 8, where)
        pieces.append(time.perf_counter() - started)
        assert cut == done.text
    return [
        row(case, whole, megabytes_per_second=round(len(text) * rounds / sum(whole) / 1e6, 2)),
        # About four characters a piece, as models give them.
        row(f"{case}, streamed", pieces, us_per_piece=round(sum(pieces) / rounds / (len(text) / 4.5) * 1e6, 2)),
    ]
