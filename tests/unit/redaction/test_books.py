"""The rules of each organisation: in force within seconds, the last good ones while the store is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.redaction.books import Books
from services.redaction.policy.model import RulesError, WhenLate
from services.redaction.policy.own import Choices, Own, Recognizer, book_of
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.policy.scan import scan

NOTHING = Own()
FILE = {
    "entities": ["EMAIL_ADDRESS", "PERSON"],
    "names": {"when_late": "closed"},
    "additions": [
        {"organisation": "acme", "brand": "bank", "names": {"when_late": "closed"}},
        {"organisation": "globex", "recognizers": [{"entity": "CRATE", "pattern": "C-[0-9]{4}"}]},
    ],
}
BADGE = Recognizer("BADGE", r"QX-[0-9]{5}", 0.9)


def caller(organisation: str = "acme") -> Caller:
    return Caller(organisation, "ada", "shop", "txn", "gateway", "mac", 0)


@dataclass
class Store:
    """Counts what it is asked, and may be away."""

    own: Own = NOTHING
    away: bool = False
    looked: int = 0
    read_: int = 0
    now_: float = 1000.0

    def now(self) -> float:
        return self.now_

    async def version(self, caller: Caller) -> int:
        self.looked += 1
        if self.away:
            raise Unavailable("postgres")
        return self.own.version

    async def read(self, caller: Caller) -> Own:
        self.read_ += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("postgres")
        return self.own

    async def put(self, caller: Caller, wanted: Recognizer, most: int) -> Recognizer:
        raise AssertionError

    async def delete(self, caller: Caller, entity: str, etag: str) -> bool:
        raise AssertionError

    async def choose(self, caller: Caller, wanted: Choices) -> Choices:
        raise AssertionError


def books(store: Store) -> Books:
    return Books(parse_rules(FILE), store, store, seconds=2.0)


async def names(ours: Books, organisation: str = "acme") -> set[str]:
    return set((await ours.of(caller(organisation))).base.own_entities)


async def test_a_change_is_in_force_once_the_time_is_over_and_not_read_before() -> None:
    store = Store()
    ours = books(store)
    assert await names(ours) == set()
    store.own = Own(1, recognizers=(BADGE,))
    store.now_ += 1.9
    assert (await names(ours), store.looked, store.read_) == (set(), 0, 1)
    store.now_ += 0.1
    assert (await names(ours), store.looked, store.read_) == ({"BADGE"}, 1, 2)
    store.now_ += 2
    assert (await names(ours), store.looked, store.read_) == ({"BADGE"}, 2, 2), "nothing changed: nothing read"


async def test_a_change_made_here_counts_at_once() -> None:
    store = Store()
    ours = books(store)
    assert await names(ours) == set()
    store.own = Own(1, recognizers=(BADGE,))
    ours.changed("acme")
    assert await names(ours) == {"BADGE"}


async def test_the_last_good_rules_stay_and_before_the_first_ones_nothing_is_served() -> None:
    store = Store(Own(1, recognizers=(BADGE,)))
    ours = books(store)
    assert await names(ours) == {"BADGE"}
    store.away = True
    for _ in range(3):
        store.now_ += 3600
        assert await names(ours) == {"BADGE"}
    with pytest.raises(Unavailable):
        await names(ours, "globex")
    store.away = False
    store.own = Own(2)
    store.now_ += 2
    assert await names(ours) == set()


async def test_an_away_store_is_not_asked_for_each_call() -> None:
    store = Store()
    ours = books(store)
    await names(ours)
    store.away, store.now_ = True, store.now_ + 2
    for _ in range(5):
        await names(ours)
    assert store.looked == 1


async def test_many_calls_look_once() -> None:
    store = Store()
    ours = books(store)
    await asyncio.gather(*(ours.of(caller()) for _ in range(20)))
    assert store.read_ == 1


async def test_what_was_stored_and_is_of_no_use_here_is_not_left_out() -> None:
    """A recognizer that this version cannot compile: its organisation's texts are refused, not passed as clean."""
    store = Store(Own(1, recognizers=(replace(BADGE, pattern="(a)\\1"),)))
    ours = books(store)
    with pytest.raises(Unavailable):
        await ours.of(caller())
    store.own = Own(2, recognizers=(BADGE,))
    assert await names(ours) == {"BADGE"}


async def test_a_clock_that_goes_back_looks_again() -> None:
    store = Store()
    ours = books(store)
    await names(ours)
    store.now_ -= 100
    await names(ours)
    assert store.looked == 1


def of(organisation: str, own: Own = NOTHING) -> RuleBook:
    return book_of(parse_rules(FILE), organisation, own)


def test_a_book_knows_nothing_of_other_organisations() -> None:
    acme, globex, nobody = of("acme", Own(3, recognizers=(BADGE,))), of("globex"), of("")
    assert [acme.knows(name) for name in ("BADGE", "CRATE")] == [True, False]
    assert [globex.knows(name) for name in ("BADGE", "CRATE")] == [False, True]
    assert [nobody.knows(name) for name in ("BADGE", "CRATE", "EMAIL_ADDRESS")] == [False, False, True]
    for brand in ("", "shop", "bank"):
        rules = acme.rules_for("acme", brand)
        assert {one.entity for one in rules.recognizers} == set(rules.own_entities) == {"BADGE"}
        text = "QX-12345 and C-1234"
        assert [f.entity for f in scan(text, rules, acme.knows).findings] == ["BADGE"]


def test_choices_stand_above_the_file() -> None:
    chosen = of("acme", Own(1, Choices(tagged=True, names_late=WhenLate.PATTERNS_ONLY)))
    for brand in ("", "bank"):
        rules = chosen.rules_for("acme", brand)
        assert (rules.tagged, rules.names_late) == (True, WhenLate.PATTERNS_ONLY)
    unsaid = of("acme", Own(1)).rules_for("acme", "bank")
    assert (unsaid.tagged, unsaid.names_late) == (False, WhenLate.CLOSED)
    tagged = replace(parse_rules(FILE), base=replace(parse_rules(FILE).base, tagged=True))
    assert book_of(tagged, "acme", Own(1)).rules_for("acme", "").tagged
    assert not book_of(tagged, "acme", Own(1, Choices(tagged=False))).rules_for("acme", "").tagged


def test_the_version_tells_what_is_stored() -> None:
    plain = parse_rules(FILE).version
    assert of("acme").version == plain
    assert of("acme", Own(7)).version == f"{plain}+7"
    assert len(of("acme", Own(2**63)).version) <= 64
    with pytest.raises(RulesError):
        of("acme", Own(1, recognizers=(replace(BADGE, pattern="x*"),)))
