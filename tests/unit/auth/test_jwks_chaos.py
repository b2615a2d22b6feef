"""A misbehaving issuer and thousands of made-up key names, in real time against a real HTTP server.

Full sizes: `python -m bench jwks`.
"""

from __future__ import annotations

import pytest_asyncio

from bench import jwks
from bench.jwks import CONTROL, Told
from bench.unruly_issuer import MANNERS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen() -> list[Told]:
    return await jwks.chaos(200)


async def test_every_manner_of_misbehaving_was_met(seen: list[Told]) -> None:
    assert [told.manner for told in seen] == [CONTROL, *MANNERS]
    assert sum(told.names for told in seen) >= 10_000
    assert all(told.fetches >= 1 for told in seen if told.manner not in {CONTROL, "slow", "trickling", "huge"})


async def test_no_valid_token_is_refused(seen: list[Told]) -> None:
    assert {told.manner: told.refused for told in seen} == dict.fromkeys([CONTROL, *MANNERS], 0)


async def test_fetches_stay_within_the_cooldown(seen: list[Told]) -> None:
    assert [told for told in seen if told.fetches > told.allowed] == []


async def test_a_cached_key_waits_for_nothing(seen: list[Told]) -> None:
    """Waiting for the endpoint would be hundreds of milliseconds, for nearly all of them where it is slow.

    Half of them must be quick however busy the machine is; the bench counts every one, beside a control.
    """
    for told in seen:
        waited = sorted(told.waited)
        assert waited[len(waited) // 2] < 0.005, told.manner
        assert waited[len(waited) * 95 // 100] < 0.1, told.manner
