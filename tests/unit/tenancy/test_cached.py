"""The short memory: how old its facts may be, and what outdates them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.tenancy.adapters.cached import CachedFacts
from services.tenancy.ports import Facts
from tests.unit.tenancy.world import member, standing


class Store:
    """Counts its calls; knows the members ann of acme, and the brand shop."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False
        self.roles = ("member",)

    async def facts(self, caller: Caller, brands: Collection[str] = ()) -> Facts:
        self.calls += 1
        known = caller.organisation == "acme" and caller.subject == "ann"
        facts = Facts(standing(member(*self.roles) if known else None), frozenset(brands) & {"shop"})
        await self.gate.wait()
        if self.away:
            raise Unavailable("postgres")
        return facts


class Watch:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time


def caller(organisation: str = "acme", subject: str = "ann") -> Caller:
    return Caller(organisation, subject, "shop", "txn", "gateway", "mac", 2_000_000_000)


def remembered(store: Store, watch: Watch, limit: int = 100) -> CachedFacts:
    return CachedFacts(store, 2.0, watch.now, limit)  # type: ignore[arg-type]  # only what is read here


async def test_one_reading_serves_two_seconds() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    for _ in range(10):
        facts = await cache.facts(caller(), {"shop"})
        assert facts.standing is not None
        assert facts.brands == {"shop"}
    assert store.calls == 1
    watch.time += 1.99
    await cache.facts(caller(), {"shop"})
    assert store.calls == 1
    watch.time += 0.01
    await cache.facts(caller(), {"shop"})
    assert store.calls == 2


@pytest.mark.parametrize("brand", ["shop", "unknown", "foreign"])
@pytest.mark.parametrize("subject", ["ann", "stranger"])
async def test_the_same_number_of_store_calls_whatever_exists(brand: str, subject: str) -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    await cache.facts(caller(subject=subject), {brand})
    assert store.calls == 1
    await cache.facts(caller(subject=subject), {brand})
    assert store.calls == 1
    await cache.facts(caller(subject=subject), {brand, "another"})
    assert store.calls == 2


async def test_a_change_outdates_at_once_also_a_reading_under_way() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    store.gate.clear()
    reading = asyncio.ensure_future(cache.facts(caller(), {"shop"}))
    await asyncio.sleep(0)
    store.roles = ("viewer",)
    cache.forget("acme")
    store.gate.set()
    await reading
    facts = await cache.facts(caller(), {"shop"})
    assert store.calls == 2
    assert facts.standing is not None
    assert facts.standing.member is not None
    assert facts.standing.member.roles == ("viewer",)
    cache.forget("globex")
    await cache.facts(caller(), {"shop"})
    assert store.calls == 2


async def test_organisations_and_users_are_apart() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    assert (await cache.facts(caller(), {"shop"})).brands == {"shop"}
    for other in (caller(subject="bob"), caller(organisation="globex")):
        facts = await cache.facts(other, {"shop"})
        assert facts.standing is None or facts.standing.member is None
    assert store.calls == 3


async def test_an_error_is_not_remembered_and_old_facts_do_not_return() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    await cache.facts(caller(), {"shop"})
    watch.time += 2.0
    store.away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await cache.facts(caller(), {"shop"})
    store.away = False
    assert (await cache.facts(caller(), {"shop"})).brands == {"shop"}
    assert store.calls == 4


async def test_the_memory_is_bounded() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch, limit=10)
    for number in range(50):
        await cache.facts(caller(subject=f"u{number}"), {f"b{number}"})
        await cache.facts(caller(f"org{number}"), {"b"})
    assert cache._standings.size == cache._brands.size == 10
    assert sum(map(len, cache._standings._organisations.values())) == 10


async def test_a_busy_organisation_forgets_its_own_facts_only() -> None:
    store, watch = Store(), Watch()
    cache = CachedFacts(store, 2.0, watch.now, limit=100, each=20)  # type: ignore[arg-type]
    await cache.facts(caller("quiet"), {"shop"})
    for number in range(500):
        await cache.facts(caller(subject=f"u{number}"), {f"b{number}"})
    calls = store.calls
    await cache.facts(caller("quiet"), {"shop"})
    assert store.calls == calls
    await cache.facts(caller(subject="u0"), {"b0"})
    assert store.calls == calls + 1


async def test_readings_of_a_busy_organisation_leave_connections_to_others() -> None:
    store, watch = Store(), Watch()
    cache = remembered(store, watch)
    store.gate.clear()
    busy = [asyncio.ensure_future(cache.facts(caller(subject=f"u{number}"))) for number in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.calls == 4
    other = asyncio.ensure_future(cache.facts(caller("quiet")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.calls == 5
    store.gate.set()
    await asyncio.gather(other, *busy)
    assert store.calls == 21
    assert not cache._turns._organisations
