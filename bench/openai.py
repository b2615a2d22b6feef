"""`openai`: generated conversations by the unmodified OpenAI SDK through a real Envoy with the shipped ext_proc.

Every conversation has personal data in it; the stand-in model says back what it was told, in pieces of any size, every
third time with a call of a tool. `seen` counts values that the model got, `faulty` conversations that the client did
not read as it should have (a value missing, a placeholder or part of one, a call that was not authorised), `held`
reservations that were left over. All must be 0. `plain` is the time of the same to the model's server directly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import openai

from bench.rows import Row, row
from bench.stacks import folder
from embedded.stack import Stack
from tests.support import openai_talks as talks
from tests.support.backend import Backend
from tests.support.model_server import Got, Reply, said
from tests.support.openai_front import MODEL, ModelFront, model_front

AT_ONCE = 4
# Of the 15 messages a minute that a user has.
PER_USER = 10
MARK = "talk-"


async def run(small: bool) -> list[Row]:
    """One row."""
    n = 8 if small else 200
    async with folder() as place, Stack.running(place) as stack, model_front(stack) as front:
        await Backend(stack).tool(talks.SCHEMA, name=talks.TOOL, description="Sends a mail")
        plain = await _plain(front, n)
        by_number = {number: talks.talk(number) for number in range(n)}
        front.model.script = lambda got: _answer(by_number, got)
        held, before = await front.holds(), len(front.model.got)
        taken: list[float] = []
        faulty: list[int] = []
        numbers = iter(range(n))
        await asyncio.gather(*(_client(front, by_number, numbers, taken, faulty) for _ in range(AT_ONCE)))
        got = front.model.got[before:]
        seen = sum(value.encode() in one.body for one in got for value in _secrets(by_number))
        left = 0 if await front.nothing_is_held(held) else len(await front.holds() - held)
        facts = {"plain_p50_ms": round(sorted(plain)[len(plain) // 2] * 1000, 3), "at_once": AT_ONCE}
        return [row(f"{n} conversations", taken, seen=seen, faulty=len(faulty), held=left, **facts)]


def _secrets(by_number: dict[int, talks.Talk]) -> list[str]:
    return [value for talk in by_number.values() for value in talk.secrets]


def _answer(by_number: dict[int, talks.Talk], got: Got) -> Reply:
    return by_number[int(got.json["user"].removeprefix(MARK))].answer(got)


async def _client(
    front: ModelFront, by_number: dict[int, talks.Talk], numbers: Iterator[int], taken: list[float], faulty: list[int]
) -> None:
    sdk: Any = None
    for turn, number in enumerate(numbers):
        if turn % PER_USER == 0:
            sdk = front.client(await front.user())
        started, before = time.perf_counter(), len(front.model.got)
        heard = await talks.hold(sdk, by_number[number], MODEL, user=f"{MARK}{number}")
        taken.append(time.perf_counter() - started)
        if talks.faults(by_number[number], front.model.got[before:], heard):
            faulty.append(number)


async def _plain(front: ModelFront, n: int) -> list[float]:
    """The SDK and the stand-in alone."""
    front.model.script = lambda _: said("Fine.")
    taken = []
    async with openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{front.model.port}/v1") as sdk:
        for _ in range(n):
            started = time.perf_counter()
            await sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
            taken.append(time.perf_counter() - started)
    return taken
