"""`audit`: what it takes to put things on record.

`emit` is the way of a decision (on this disk when it returns), `append` that of a change of who may do what (in
PostgreSQL when it returns), `seal` the chains, `verify` the proof, over what lies in the store and over an export.
`admit` asks two embedded stacks in turns, one with and one without a trail: `cost_p99_percent` is what being on record
adds to Admit at p99, over all requests of both.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bench.admit import WARM_UP, Crowd
from bench.audit_house import House, house
from bench.rows import Row, row
from bench.stacks import embedded, folder, waited_for
from cli.latency import percentile
from services.audit.policy import Finding, Problem, export
from services.audit.signatures import trusting
from services.kit.audit import Event, EventClass, SpooledTrail

_BATCH = 500
_ROUNDS = 100  # p99 of fewer requests says more about the machine


async def run(small: bool) -> list[Row]:
    """Every case."""
    async with folder() as place, house(place) as made:
        rows = [await _emit(made, place, 200 if small else 5000), await _append(made, 100 if small else 2000)]
        rows += await _chains(made, 2_000 if small else 50_000)
    return [*rows, *await _admit(20 if small else 50, 2 if small else _ROUNDS)]


def event(organisation: str, kind: EventClass = EventClass.DECISION) -> Event:
    """One of a gateway, of one of a thousand users."""
    user = f"user-{secrets.randbelow(1000)}"
    facts = {"workload": "backend/shop", "decided_by": "guardrail", "credential": "jwt"}
    return Event(
        event_id=f"{secrets.token_hex(16)}/gateway/Admit/{secrets.token_hex(6)}",
        code="gateway.admit",
        at=time.time(),
        kind=kind,
        organisation=organisation,
        actor=user,
        brand="shop",
        txn=secrets.token_hex(16),
        trace_id=secrets.token_hex(16),
        client_address="192.0.2.10",
        user_agent="bench/1",
        facts=facts,
    )


async def _emit(made: House, place: Path, n: int) -> Row:
    """One in flight, each synced by itself: the worst case, since those that come together share a sync."""
    trail = SpooledTrail(place.parent / "spool").connect("gateway", made.channel("gateway"))
    try:
        return row("emit", await _times(n, lambda: trail.emit(event("acme"))), durable="this disk")
    finally:
        await trail.spool.close()
        for left in (place.parent / "spool").iterdir():
            left.unlink()
        (place.parent / "spool").rmdir()


async def _append(made: House, n: int) -> Row:
    """One event each, with the sealer at work beside it, through the layers of the service."""
    async with made.sealing_beside():
        taken = await _times(n, lambda: made.append([event("acme").message("gateway")]))
    return row("append", taken, durable="PostgreSQL")


async def _times(n: int, ask: Callable[[], Awaitable[Any]]) -> list[float]:
    taken = []
    for _ in range(n):
        started = time.perf_counter()
        await ask()
        taken.append(time.perf_counter() - started)
    return taken


async def _chains(made: House, n: int) -> list[Row]:
    """Takes in, then seals, then verifies so many events of one organisation."""
    taken = []
    for _ in range(n // _BATCH):
        batch = [event("globex").message("gateway") for _ in range(_BATCH)]
        started = time.perf_counter()
        await made.append(batch)
        taken.append(time.perf_counter() - started)
    rows = [_rate("take in, batches of 500", taken)]
    sealed = []
    while True:
        started = time.perf_counter()
        done = await made.sealing.seal("globex", _BATCH)
        if not done:
            break
        sealed.append(time.perf_counter() - started)
    rows.append(_rate("seal, batches of 500", sealed))
    await made.checkpoints.sign("globex")
    started = time.perf_counter()
    await made.verify("globex")
    rows.append(_rate("verify, service", [time.perf_counter() - started], n))
    lines = (await made.export("globex")).splitlines()
    started = time.perf_counter()
    parsed = export.read(lines)
    _, finding = export.verify(parsed, trusting(parsed.keys))
    if finding != Finding(Problem.NONE, 0):
        raise RuntimeError(f"the export does not verify: {finding}")
    rows.append(_rate("verify, offline", [time.perf_counter() - started], len(parsed.links)))
    return rows


def _rate(case: str, taken: list[float], events: int = 0) -> Row:
    events = events or len(taken) * _BATCH
    found = row(case, taken, events=events)
    return {**found, "per_second": round(events / sum(taken), 1)}


async def _admit(n: int, rounds: int) -> list[Row]:
    async with AsyncExitStack() as exits:
        crowds = []
        for running in (embedded, unaudited):
            place = await exits.enter_async_context(folder())
            stack = await exits.enter_async_context(running(place))
            crowds.append(await Crowd.of(stack, n * rounds + WARM_UP))
        for number in range(WARM_UP):
            for crowd in crowds:
                await crowd.admit(n * rounds + number)
        taken: tuple[list[list[float]], list[list[float]]] = ([], [])
        for turn in range(rounds):
            numbers = range(n * turn, n * (turn + 1))
            for kept, crowd in list(zip(taken, crowds, strict=True))[:: 1 if turn % 2 else -1]:
                kept.append([await _asked(crowd, number) for number in numbers])
    with_trail, without = ([each for found in kept for each in found] for kept in taken)
    cost = {
        f"cost_p{share}_percent": round(
            100 * (percentile(with_trail, share / 100) / percentile(without, share / 100) - 1), 1
        )
        for share in (50, 99)
    }
    return [row("admit, with trail", with_trail, **cost), row("admit, without", without)]


async def _asked(crowd: Crowd, number: int) -> float:
    started = time.perf_counter()
    await crowd.admit(number)
    return time.perf_counter() - started


@asynccontextmanager
async def unaudited(place: Path) -> AsyncIterator[Any]:
    """The embedded stack without a trail, in a process of its own."""
    async with waited_for(place, "bench.unaudited") as connection:
        yield connection
