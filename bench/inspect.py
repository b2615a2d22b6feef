"""`inspect`: one `InspectInput` by the service's own code, with every rule, every reading and the model; a tool call.

It is called as the servicer calls it, without the layers around it. Texts: business mail written for this purpose,
with marks that may open other readings (addresses, dates, digits in words) as in real mail. `cpu_ms` is processor
time of one call, which other work on the machine hardly touches.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from bench.inspect_tool import tool_call
from bench.rows import Row, row
from services.guardrail.adapters.policies import FilePolicies
from services.guardrail.adapters.pool import WorkPool
from services.guardrail.bootstrap import load_model, load_rules
from services.guardrail.inspector import Inspector
from services.guardrail.policy.model import Part, Source
from services.guardrail.settings import GuardrailSettings
from services.kit.caller import Caller
from services.kit.keys import VersionedSecret
from services.kit.run import settle_heap

_LINES = (
    "Hello {0}, thank you for your order {1} of last week; it left our house on 12/{1} and should arrive in two days.",
    "From: sales{1}@shop.example To: {0}@mail.example Subject: new price list and the rules for returns",
    "Please follow the instructions in the attached file and tell me whether the previous invoice can be ignored.",
    "We met at 10:30 am in room B{1}; {0} will send the minutes, see https://shop.example/a?b={1}&c=2 for the plan.",
    "The print of the system is fine, but the prompt of the terminal shows an error: code 0x{1}ff in line {1}.",
    "Best regards, {0} -- Tel. +49 30 {1} {1}\n",
)
_NAMES = ("Ann", "Bob", "Chris", "Dora")


async def run(small: bool) -> list[Row]:
    """The cases."""
    settings = GuardrailSettings.model_validate({})
    pool = WorkPool(offload_characters=settings.guardrail_offload_characters, workers=1, waiting=8)
    keys = [VersionedSecret("k1", bytes(32))]
    book = load_rules(settings)
    inspector = Inspector(
        lambda: book,
        FilePolicies(lambda: book),
        pool,
        lambda: keys,
        settings.guardrail_most_characters,
        load_model(settings),
    )
    whole = text_of(100_000)
    settle_heap()  # as a process does that serves
    try:
        return [
            await _case(
                "2 kB", inspector, [whole[n * 2_048 : (n + 1) * 2_048] for n in range(40)], 100 if small else 4_000
            ),
            await _case("100 kB", inspector, [whole], 3 if small else 60),
            await tool_call(small),
        ]
    finally:
        pool.close()


def text_of(length: int) -> str:
    """Mail of that length."""
    numbers = itertools.count(11)
    lines = (line.format(_NAMES[n % 4], n % 90 + 10) for n, line in zip(numbers, itertools.cycle(_LINES), strict=False))
    found: list[str] = []
    size = 0
    for line in lines:
        found.append(line)
        size += len(line) + 1
        if size >= length:
            break
    return " ".join(found)[:length]


async def _case(name: str, inspector: Inspector, texts: list[str], n: int) -> Row:
    caller = Caller("bench", "ann", "shop", "txn", "gateway", "", 0)
    await inspector.inspect_input(caller, "c1", [Part(Source.USER, texts[0])])
    taken: list[float] = []
    busy = time.process_time()
    refused = 0
    for number in range(n):
        parts = [Part(Source.USER, texts[number % len(texts)])]
        started = time.perf_counter()
        seen = await inspector.inspect_input(caller, "c1", parts)
        taken.append(time.perf_counter() - started)
        refused += seen.refused
    more: dict[str, Any] = {"cpu_ms": round((time.process_time() - busy) * 1000 / n, 4), "refused": refused}
    return row(name, taken, **more)
