"""Which engine decides: the newest version that could be read, the last good one else, and bounded memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.tenancy.flows.policysets import PolicySets, dumped
from services.tenancy.flows.trials import Trials
from services.tenancy.policy import Circumstances, Pointers, Standing, authorize_all, own
from services.tenancy.ports import Difference, PolicyText
from tests.unit.tenancy.world import brand, engine, member, standing

FREEZE = '@id("freeze") forbid (principal, action == Action::"chat.send", resource);'


class Store:
    """Versions by number; counts its readings."""

    def __init__(self, sets: dict[int, str]) -> None:
        self.sets = sets
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.language = ""
        self.counted: list[Difference] = []
        self.away = False

    async def load(self, caller: Caller, number: int) -> PolicyText | None:
        self.reads += 1
        await self.gate.wait()
        if self.away:
            raise Unavailable("postgres")
        source = self.sets.get(number)
        if source is None:
            return None
        found = own.finished(own.read(engine().language, caller.organisation, source))
        lines = await dumped(found.policies)
        return PolicyText(source, lines, self.language, "d", len(found.policies))

    async def count(self, caller: Caller, number: int, differences: list[Difference]) -> None:
        if self.away:
            raise Unavailable("postgres")
        self.counted += differences


def made(sets: dict[int, str], most: int = 200_000) -> tuple[Store, PolicySets]:
    store = Store(sets)
    found = PolicySets(store, engine(), most)  # type: ignore[arg-type]  # only what is read here
    store.language = found.language
    return store, found


def caller(organisation: str = "acme") -> Caller:
    return Caller(organisation, "ann", "shop", "txn", "gateway", "mac", 2_000_000_000)


def facts(active: int, revision: int, candidate: int = 0) -> Standing:
    return replace(standing(member("member")), policies=Pointers(active, candidate, revision))


def number(version: str) -> str:
    return version.partition(".")[2]


async def test_one_reading_serves_everybody_and_defaults_need_none() -> None:
    store, sets = made({1: FREEZE})
    assert await sets.engine(caller(), None) is sets.defaults
    assert await sets.engine(caller(), facts(0, 0)) is sets.defaults
    found = await asyncio.gather(*(sets.engine(caller(), facts(1, 1)) for _ in range(20)))
    assert {number(each.version) for each in found} == {"1"}
    assert store.reads == 1
    assert not found[0].evaluate("acme", member("owner"), "chat.send", brand(), ()).allowed


async def test_older_facts_do_not_bring_an_older_version_back() -> None:
    store, sets = made({1: FREEZE, 2: "// none"})
    assert number((await sets.engine(caller(), facts(1, 1))).version) == "1"
    assert number((await sets.engine(caller(), facts(2, 2))).version) == "2"
    assert number((await sets.engine(caller(), facts(1, 1))).version) == "2"
    assert store.reads == 2
    assert await sets.engine(caller(), facts(0, 3)) is sets.defaults
    assert await sets.engine(caller(), facts(2, 2)) is sets.defaults


async def test_the_last_good_stays_while_a_version_is_read_or_cannot_be() -> None:
    store, sets = made({1: FREEZE, 3: FREEZE})
    await sets.engine(caller(), facts(1, 1))
    for _ in range(3):  # version 2 is not there: broken, and not asked for again at once
        assert number((await sets.engine(caller(), facts(2, 2))).version) == "1"
    assert store.reads == 2
    store.gate.clear()
    assert number((await sets.engine(caller(), facts(3, 3))).version) == "1"
    store.gate.set()
    await asyncio.sleep(0.01)
    assert number((await sets.engine(caller(), facts(3, 3))).version) == "3"


@pytest.mark.parametrize("away", [True, False])
async def test_without_any_good_version_nothing_is_decided(away: bool) -> None:
    store, sets = made({})
    store.away = away
    for _ in range(2):
        with pytest.raises(Unavailable):
            await sets.engine(caller(), facts(1, 1))
    assert store.reads == 1


async def test_a_version_for_an_older_schema_is_read_from_its_source() -> None:
    store, sets = made({1: FREEZE})
    store.language = "0" * 32
    found = await sets.engine(caller(), facts(1, 1))
    assert not found.evaluate("acme", member("owner"), "chat.send", brand(), ()).allowed


async def test_memory_is_bounded_and_organisations_are_apart() -> None:
    store, sets = made({1: FREEZE}, most=600)
    for name in "abcdefghij":
        await sets.engine(caller(f"org-{name}"), facts(1, 1))
    assert sets._weight <= 600
    assert len(sets._kept) == 600 // (1 + 4 * 33)
    reads = store.reads
    await sets.engine(caller("org-j"), facts(1, 1))
    assert store.reads == reads
    await sets.engine(caller("org-a"), facts(1, 1))
    assert store.reads == reads + 1


async def test_a_trial_is_bounded_counts_and_survives_an_absent_store() -> None:
    store, sets = made({1: FREEZE})
    trials = Trials(sets, store, flush_seconds=0.01)  # type: ignore[arg-type]
    asked = [("chat.send", brand()), ("brands.read", brand()), ("chat.send", None)]
    who = facts(0, 1, candidate=1)
    answers = authorize_all(engine(), who, asked, ())
    await sets.candidate(caller(), who)
    store.away = True
    for _ in range(200):
        trials.offer(caller(), who, asked, answers, Circumstances())
    trials.offer(caller(), facts(0, 1), asked, answers, Circumstances())
    assert len(trials._waiting) == 64
    await asyncio.sleep(0.2)
    store.away = False
    trials.offer(caller(), who, asked, answers, Circumstances())
    await asyncio.sleep(0.2)
    await trials.close()
    total = {(d.action, d.resource_type): (d.asked > 0, d.would_refuse == d.asked) for d in store.counted}
    assert total == {("chat.send", "Brand"): (True, True), ("brands.read", "Brand"): (True, False)}
