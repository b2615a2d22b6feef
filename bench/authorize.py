"""`authorize`: one Authorize of the tenancy service with all its layers, over a real PostgreSQL, in turns with `echo`.

The service is joined without a socket, as in the embedded stack. No two questions in a row are the same, and no answer
is remembered: each one is evaluated. `flat` is the p50 as a multiple of the smallest size, in echoes of its own run.

- `N policies`: an organisation with N policies of its own, written like people write them: for users, roles and brands.
- `batch of 50`: what a processor second answers, the client's share included. A resource check is 2.3 actions on one
  resource there, the mix behind the published 9 700 checks per second and core of a Go peer.
- `N organisations`: each question comes from another caller, so that token and facts are read anew every time.
- `noisy`: the p99 of a quiet organisation asking at a steady rate, alone and beside one with 90 % of the traffic and
  10 000 policies of its own, in turns.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from bench import echo
from bench.harness import interleaved
from bench.rows import Row, row
from bench.tenancy_house import House, Metadata, opened
from cli.latency import percentile

USERS = 20  # so few that their facts, two seconds old at most, are mostly remembered: what is measured is deciding
_SIZES = (10, 1000, 10_000)
_ACTIONS = ("chat.send", "knowledge.read", "invoices.read", "tools.call", "brands.read")
_PER_RESOURCE = 2.3
_QUIET_RATE, _NOISY_RATE = 25, 225

Ask = Callable[[int], Awaitable[None]]


async def run(small: bool) -> list[Row]:
    """One row for each case."""
    n = 300 if small else 6_000
    rows: list[Row] = []
    async with echo.running() as yardstick, opened() as house:
        for size in (_SIZES[0], 1000) if small else _SIZES:
            name = await _organisation(house, size)
            asking = _single(house, name, size)
            await _warm(asking)
            rows.append(await interleaved(f"{size} policies", yardstick, n, asking, policies=size))
            _flat(rows[0], rows[-1])
        rows.append(await _batches(house, yardstick, max(20, n // 10)))
        rows += await _many(house, yardstick, n // 2, (10, 1_000 if small else 100_000))
        rows.append(await _noisy(house, 1 if small else 12))
    return rows


async def _organisation(house: House, size: int) -> str:
    name = f"policies{size}"
    await house.organisation(name, USERS, max(10, size // 4))
    await house.policies(name, policies(name, size))
    return name


def policies(organisation: str, size: int) -> str:
    """As many policies as wanted, of four common shapes."""
    user, brand = f'User::"{organisation}/u%d"', f'Brand::"{organisation}/b%d"'
    shapes = (
        f'permit (principal == {user}, action == Action::"orders.refund", resource == {brand});',
        f'forbid (principal, action == Action::"tools.call", resource == {brand}) when {{ context.plan == "free" }};',
        f'forbid (principal == {user}, action == Action::"chat.send", resource) '
        'when { context.authentication.methods.contains("none") };',
        f'permit (principal in Role::"viewer", action in Action::"using", resource == {brand});',
    )
    texts: list[str] = []
    for number in range(size):
        shape = shapes[number % 4]
        values = (number // 4,) * shape.count("%d")
        texts.append(f'@id("own-{number}") {shape % values}')
    return "\n".join(texts)


def _single(house: House, organisation: str, size: int) -> Ask:
    callers = [house.as_(organisation, f"u{number}") for number in range(USERS)]
    brands = max(10, size // 4)
    serial = itertools.count()

    async def ask(_: int) -> None:
        number = next(serial)
        resource = pb.Resource(type="Brand", id=f"b{number * 7 % min(brands, 20)}")
        request = pb.AuthorizeRequest(action="chat.send", resource=resource)
        answer = await house.stub.Authorize(request, metadata=callers[number % USERS])
        if answer.outcome != common.OUTCOME_ALLOW or not answer.policy_version:
            raise RuntimeError("a question was not answered as expected")

    return ask


async def _warm(ask: Ask) -> None:
    for number in range(USERS):
        await ask(number)


def _flat(first: Row, found: Row) -> None:
    found["flat"] = round(found["ratio_to_echo"] / first["ratio_to_echo"], 2)


async def _batches(house: House, yardstick: echo.Echo, n: int) -> Row:
    """50 questions, all different, of one user after another in an organisation with 1 000 policies."""
    name = "policies1000"
    callers = [house.as_(name, f"u{number}") for number in range(20)]
    serial = itertools.count()
    spent: list[float] = []

    def questions(number: int) -> pb.AuthorizeBatchRequest:
        pairs = itertools.product(range(number, number + 10), _ACTIONS)
        return pb.AuthorizeBatchRequest(
            questions=[
                pb.AuthorizeRequest(action=action, resource=pb.Resource(type="Brand", id=f"b{brand % 40}"))
                for brand, action in pairs
            ]
        )

    async def ask(_: int) -> None:
        number = next(serial)
        request = questions(number)
        started = time.process_time()
        answer = await house.stub.AuthorizeBatch(request, metadata=callers[number % 20])
        spent.append(time.process_time() - started)
        if len(answer.answers) != 50:
            raise RuntimeError("a batch was not answered as expected")

    for number in range(40):
        await ask(number)
    spent.clear()
    found = await interleaved("batch of 50", yardstick, n, ask)
    each = 50 / statistics.median(spent)
    return {**found, "decisions_per_core": round(each), "resource_checks_per_core": round(each / _PER_RESOURCE)}


async def _many(house: House, yardstick: echo.Echo, n: int, sizes: tuple[int, ...]) -> list[Row]:
    rows: list[Row] = []
    made = 0
    for size in sizes:
        await house.sql(_FILL.format(first=made, last=size - 1))
        made = size
        await house.sql("VACUUM (ANALYZE) tenancy.organisations, tenancy.members, tenancy.brands")
        rows.append(await interleaved(f"{size} organisations", yardstick, n, _strangers(house, size, n)))
        _flat(rows[0], rows[-1])
    return rows


# With as many members each, so that few organisations have enough callers who were not heard of in the last seconds.
_FILL = """
INSERT INTO tenancy.organisations (org_id, display_name, plan)
    SELECT 'many' || n, '', 'pro' FROM generate_series({first}, {last}) n;
INSERT INTO tenancy.brands (org_id, brand_id) SELECT 'many' || n, 'shop' FROM generate_series({first}, {last}) n;
INSERT INTO tenancy.members (org_id, user_id, roles, all_brands)
    SELECT 'many' || n, 'u' || u, '{{member}}'::text[], true
      FROM generate_series({first}, {last}) n, generate_series(0, CASE WHEN n < 10 THEN 999 ELSE 0 END) u;
"""


def _strangers(house: House, size: int, n: int) -> Ask:
    """A new caller for each question, up to the members that there are."""
    few = size <= 10
    callers: list[Metadata] = [
        house.as_(
            f"many{number % size if few else number * (size // n or 1) % size}",
            f"u{number // size % 1000 if few else 0}",
        )
        for number in range(n)
    ]
    request = pb.AuthorizeRequest(action="chat.send", resource=pb.Resource(type="Brand", id="shop"))

    async def ask(number: int) -> None:
        answer = await house.stub.Authorize(request, metadata=callers[number])
        if answer.outcome != common.OUTCOME_ALLOW:
            raise RuntimeError("a question was not answered as expected")

    return ask


async def _noisy(house: House, rounds: int) -> Row:
    """Turns of two seconds alone and two beside the noise; the p99 of each kind over all turns."""
    quiet = _single(house, "policies10", 10)
    noise = _single(house, "policies10000" if rounds > 1 else "policies1000", 10_000 if rounds > 1 else 1000)
    await _warm(quiet)
    await _warm(noise)
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        alone += await _steady(quiet, _QUIET_RATE)
        both = await asyncio.gather(_steady(quiet, _QUIET_RATE), _steady(noise, _NOISY_RATE))
        beside += both[0]
    found = row("quiet beside a noisy organisation", beside)
    before = percentile([value * 1000 for value in alone], 0.99)
    return {
        **found,
        "p99_alone_ms": round(before, 4),
        "p99_ratio": round(found["p99_ms"] / before, 2),
        "p50_ratio": round(found["p50_ms"] / (statistics.median(alone) * 1000), 2),
    }


async def _steady(ask: Ask, rate: int, seconds: float = 2.0) -> list[float]:
    """Asks at a rate, whether or not the one before was answered; seconds from when each was due."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def one(number: int) -> float:
        due = begun + number / rate
        await asyncio.sleep(due - loop.time())
        started = time.perf_counter()
        await ask(number)
        return time.perf_counter() - started

    return list(await asyncio.gather(*(one(number) for number in range(round(rate * seconds)))))
