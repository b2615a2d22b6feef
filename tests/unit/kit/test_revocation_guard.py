"""What a process that heard the feed lets in, and what it asks when it did not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.caller import Caller, Epochs
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.revocations import KEPT, SILENCE, Guard, Rise

ADA = Caller(
    "acme",
    "ada",
    "acme-chat",
    "txn",
    "backend/shop",
    "mac",
    0,
    credential_id="key_" + "0" * 22,
    session_id="ses_1",
    token_id="jti",
    epochs=Epochs(user=3, organisation=3, brand=3, key=3, session=3, token=3),
)
NAMES = ("u:ada", "o", "b:acme-chat", "k:key_" + "0" * 22, "s:ses_1", "t:jti")


class Store:
    """What is asked when memory must not decide."""

    def __init__(self) -> None:
        self.stands: bool | None = True
        self.asked = 0

    async def ask(self, caller: Caller, token: str) -> bool:
        self.asked += 1
        if self.stands is None:
            raise Unavailable("auth")
        return self.stands


class World:
    """A guard with a clock that moves when told."""

    def __init__(self, most: int = 1000) -> None:
        self.time = 1000.0
        self.store = Store()
        self.dropped = 0
        self.guard = Guard(self.store.ask, lambda: self.time, most)
        self.guard.drops(self._drop)
        self.sequence = 0

    def _drop(self) -> None:
        self.dropped += 1

    def hear(self, *names: str, epoch: int = 4, organisation: str = "acme", reset: bool = False) -> None:
        rises = []
        for name in names:
            self.sequence += 1
            rises.append(Rise(self.sequence, organisation, name, epoch))
        self.guard.hear(self.sequence, rises, reset=reset)

    async def accepts(self, caller: Caller = ADA) -> bool:
        try:
            await self.guard.require_standing(caller, "token")
        except Unauthenticated:
            return False
        return True


async def test_a_process_that_heard_nothing_yet_asks_for_each_call() -> None:
    world = World()
    assert await world.accepts()
    world.store.stands = False
    assert not await world.accepts()
    world.store.stands = None
    with pytest.raises(Unavailable):
        await world.accepts()
    assert world.store.asked == 3


async def test_while_the_feed_is_heard_the_store_is_not_asked() -> None:
    world = World()
    world.store.stands = None
    world.hear()
    assert await world.accepts()
    assert world.store.asked == 0


@pytest.mark.parametrize("name", NAMES)
async def test_each_ground_that_rose_refuses(name: str) -> None:
    world = World()
    world.hear(name)
    assert not await world.accepts()
    assert world.store.asked == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_token_minted_after_the_rise_is_accepted(name: str) -> None:
    world = World()
    world.hear(name, epoch=3)
    assert await world.accepts()


@pytest.mark.parametrize("name", ["u:bob", "b:other", "k:key_x", "s:ses_2", "t:other"])
async def test_what_is_no_ground_of_the_caller_does_not_matter(name: str) -> None:
    world = World()
    world.hear(name)
    assert await world.accepts()


async def test_the_same_name_of_another_organisation_does_not_matter() -> None:
    world = World()
    world.hear(*NAMES, organisation="globex")
    assert await world.accepts()


async def test_a_lower_number_heard_later_changes_nothing() -> None:
    world = World()
    world.hear("u:ada", epoch=4)
    world.hear("u:ada", epoch=2)
    assert not await world.accepts()


async def test_after_the_silence_the_store_decides_and_without_it_nobody_is_let_in() -> None:
    world = World()
    world.hear()
    world.time += SILENCE
    assert await world.accepts()
    assert world.store.asked == 0
    world.time += 0.001
    world.store.stands = False
    assert not await world.accepts()
    world.store.stands = None
    with pytest.raises(Unavailable):
        await world.accepts()


async def test_what_was_heard_before_the_silence_still_refuses() -> None:
    world = World()
    world.hear("u:ada")
    world.time += SILENCE + 1
    assert not await world.accepts()
    assert world.store.asked == 0


async def test_after_a_reset_memory_does_not_decide_until_no_older_token_lives() -> None:
    world = World()
    world.hear()
    world.hear(reset=True)
    world.store.stands = False
    assert world.dropped == 1
    for _ in range(int(KEPT) - 1):
        world.time += 1
        world.hear()
        assert not await world.accepts()
    world.time += 1
    world.hear()
    assert await world.accepts()


async def test_a_first_message_that_is_a_reset_leaves_nothing_to_rely_on() -> None:
    world = World()
    world.store.stands = False
    world.hear(reset=True)
    world.hear()
    assert not await world.accepts()


async def test_memory_is_bounded_by_time() -> None:
    world = World()
    for number in range(500):
        world.hear(f"u:{number}", organisation=f"org-{number % 7}")
    world.time += KEPT + 1
    world.hear()
    assert not world.guard._risen
    assert not world.guard._order


async def test_memory_is_bounded_by_number_and_asks_for_what_it_gave_up() -> None:
    world = World(most=10)
    world.hear("u:ada")
    world.hear(*(f"u:{number}" for number in range(20)))
    assert len(world.guard._order) == 10
    world.store.stands = False
    assert not await world.accepts()
    assert world.store.asked == 1


async def test_a_name_that_rose_again_is_kept_from_its_last_rise() -> None:
    world = World()
    world.hear("u:ada", epoch=4)
    world.time += KEPT - 1
    world.hear("u:ada", epoch=5)
    world.time += 2
    world.hear()
    assert not await world.accepts()


async def test_silence_drops_the_caches_once_and_within_three_seconds() -> None:
    world = World()
    watch = asyncio.ensure_future(world.guard.keep_watch())
    try:
        world.hear()
        world.time += SILENCE - 0.25
        await asyncio.sleep(0.25)
        assert world.dropped == 0
        world.time += 0.1
        await asyncio.sleep(0.45)
        assert world.dropped == 1
        world.hear()
        world.time += SILENCE
        await asyncio.sleep(0.25)
        assert world.dropped == 2
    finally:
        watch.cancel()


rises = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 6)), max_size=12)


@given(heard=rises, carried=st.tuples(*[st.integers(0, 6)] * 6))
def test_nobody_passes_with_a_number_below_one_that_was_heard(
    heard: list[tuple[str, int]], carried: tuple[int, ...]
) -> None:
    user, organisation, brand, key, session, token = carried
    caller = replace(ADA, epochs=Epochs(user, organisation, brand, key, session, token))
    world = World()
    world.hear()
    for name, epoch in heard:
        world.hear(name, epoch=epoch)
    highest = dict.fromkeys(NAMES, 0)
    for name, epoch in heard:
        highest[name] = max(highest[name], epoch)
    expected = all(number >= highest[name] for name, number in zip(NAMES, carried, strict=True))
    assert asyncio.run(world.accepts(caller)) is expected
