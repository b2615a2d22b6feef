"""`admit`: a whole Admit over mutual TLS, a text of 2 kB with personal data, one in flight.

`embedded` asks the stack as `hauberk up` runs it (every service in one process, another one than this), `processes` one
process per service. Texts, conversations and users change from call to call, so that no answer is a repeated one; what
a busy service remembers of a user between calls, it remembers here too. `round trips` to Redis and PostgreSQL are real.
"""

from __future__ import annotations

from dataclasses import dataclass

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from bench import echo
from bench.echo import Echo
from bench.harness import interleaved
from bench.rows import Row
from bench.stacks import embedded, folder
from cli.asking import Gateway, Reach, by_jwt, question
from cli.members import Administrator
from embedded.processes import running_processes

SIZE = 2048
# Below every limit of a user: 15 messages a minute.
PER_USER = 12
WARM_UP = 40
ESTIMATE = pb.Estimate(model="gpt-4o-mini", output_tokens=64)
_PROSE = (
    "We would like to know how the new garden tools compare with the older ones, and whether the people who bought "
    "them last season were content. Some wrote that the handles feel lighter; others prefer the wooden kind. "
)


async def run(small: bool) -> list[Row]:
    """Both cases, each in turns with echo."""
    n = 100 if small else 1500
    async with echo.running() as yardstick:
        async with folder() as place, embedded(place) as stack:
            rows = [await _measure("embedded", stack, yardstick, n)]
        async with folder() as place, running_processes(place) as processes:
            rows.append(await _measure("processes", processes, yardstick, n))
    return rows


async def _measure(case: str, stack: Reach, yardstick: Echo, n: int) -> Row:
    crowd = await Crowd.of(stack, n + WARM_UP)

    async def ask(number: int) -> None:
        await crowd.admit(number)

    for number in range(WARM_UP):
        await ask(n + number)
    return await interleaved(case, yardstick, n, ask, bytes=SIZE, users=len(crowd.tokens))


@dataclass(frozen=True, slots=True)
class Crowd:
    """As many users as so many requests need to stay below every limit."""

    gateway: Gateway
    brand: str
    tokens: list[auth_pb.Credential]

    @classmethod
    async def of(cls, stack: Reach, requests: int) -> Crowd:
        """Makes them members."""
        users = [f"bench-{number:05d}" for number in range(requests // PER_USER + 1)]
        await Administrator(stack).add(users)
        tokens = [by_jwt(stack.user_jwt(user, ttl=3000)) for user in users]
        return cls(Gateway(stack.channel("gateway")), stack.brand, tokens)

    async def admit(self, number: int) -> str:
        """The admission of one request; raises RuntimeError when it was not admitted in full health."""
        asked = question(
            self.tokens[number % len(self.tokens)],
            self.brand,
            text(number),
            conversation=f"bench-{number}",
            estimate=ESTIMATE,
        )
        answer = await self.gateway.admit(asked)
        if answer.outcome != common.OUTCOME_ALLOW or answer.degraded:
            raise RuntimeError(f"request {number} was not admitted in full health; the figures would mislead")
        return answer.admission


def text(number: int) -> str:
    """2 kB of prose with an address, a phone and a card; another one each time."""
    head = (
        f"Order {number:06d}: write to customer{number}@example.com or call 212-555-{number % 10000:04d}, "
        "the card is 4532-1234-5678-9010. "
    )
    return (head + _PROSE * 12)[:SIZE]
