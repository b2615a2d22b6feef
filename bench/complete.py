"""`complete`: a whole Complete over mutual TLS, an answer of 2 kB with placeholders, one in flight.

Every answer belongs to an admission of its own (opened beforehand, not measured), so that none is settled twice. The
stack is the one that `hauberk up` runs, in a process of its own.
"""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb

from bench import echo
from bench.admit import SIZE, WARM_UP, Crowd
from bench.echo import Echo
from bench.harness import interleaved
from bench.rows import Row
from bench.stacks import embedded, folder
from cli.asking import Reach

# The values that every admitted text holds.
PLACEHOLDERS = ("<EMAIL_ADDRESS>", "<PHONE_NUMBER>", "<CREDIT_CARD>")
TIMES = 2
_PROSE = (
    "The new tools are lighter than the older ones, and most people who bought them last season were content. A few "
    "prefer the wooden kind, which is a little heavier but lies better in the hand when the ground is hard. "
)


async def run(small: bool) -> list[Row]:
    """One case, in turns with echo."""
    n = 100 if small else 1500
    async with echo.running() as yardstick, folder() as place, embedded(place) as stack:
        return [await _measure(stack, yardstick, n)]


async def _measure(stack: Reach, yardstick: Echo, n: int) -> Row:
    crowd = await Crowd.of(stack, n + WARM_UP)
    admissions = [await crowd.admit(number) for number in range(n + WARM_UP)]
    text = answer()

    async def ask(number: int) -> None:
        came = await crowd.gateway.complete(admissions[number], text)
        if came.outcome != common.OUTCOME_ALLOW or came.degraded or came.settlement != limits_pb.SETTLEMENT_APPLIED:
            raise RuntimeError(f"answer {number} was not passed back in full health; the figures would mislead")
        if came.restored != TIMES * len(PLACEHOLDERS):
            raise RuntimeError(f"answer {number}: {came.restored} values were restored; the figures would mislead")

    for number in range(WARM_UP):
        await ask(n + number)
    return await interleaved("embedded", yardstick, n, ask, bytes=SIZE, placeholders=TIMES * len(PLACEHOLDERS))


def answer() -> str:
    """2 kB of prose with every placeholder near its beginning, and again at its end."""
    marks = " and ".join(PLACEHOLDERS)
    head, tail = f"I have noted {marks}. ", f" To sum up: {marks}."
    return head + (_PROSE * 12)[: SIZE - len(head) - len(tail)] + tail
