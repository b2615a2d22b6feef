"""Every refusal looks the same outside, and stands in the audit trail with its own reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hauberk.context_token.v1 import context_token_service_pb2 as pb

from services.audit.policy.catalogue import OWN
from services.kit.audit import EventClass
from tests.contract.auth.house import ALLOW, DENY, TOKEN
from tests.contract.context_token.house import NOT_ACCEPTED, ROTATED, THIRD, Heard, Keys, World, mounted
from tests.contract.context_token.test_service import claims_of, keys_of

pytestmark = pytest.mark.alone
REFUSED = pb.RedeemResponse(outcome=DENY, reason=NOT_ACCEPTED)


@pytest_asyncio.fixture(loop_scope="session")
async def heard(world: World) -> AsyncIterator[tuple[World, Heard]]:
    trail = Heard()
    async with mounted(world.house, trail) as told:
        yield told, trail


def cause(trail: Heard) -> str:
    """Of the one event."""
    (event,) = trail.events
    known = {own.code: own for own in OWN}[event.code]
    assert set(event.facts) <= known.facts
    assert event.kind.name.lower() in known.classes
    return event.facts["cause"]


async def test_wrong_brand(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, _ = await world.fresh()
    assert await world.redeem(token, brand=THIRD) == REFUSED
    assert cause(trail) == "audience"
    assert trail.events[0].organisation == claims_of(token)["tenant"]
    assert trail.events[0].facts["workload"] == "backend/billing"


async def test_tampered_body(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, _ = await world.fresh()
    await world.house.redis.client.set(keys_of(token)[0], b"made up", keepttl=True)
    assert await world.redeem(token) == REFUSED
    assert cause(trail) == "body_tampered"


async def test_expired(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, _ = await world.fresh(seconds=1)
    await asyncio.sleep(max(0.0, claims_of(token)["exp"] - time.time()) + 0.05)
    assert await world.redeem(token) == REFUSED
    assert cause(trail) == "expired"


async def test_revoked(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, mine = await world.fresh()
    await world.stub().Revoke(pb.RevokeRequest(context_token=token), metadata=((TOKEN, mine),))
    assert await world.redeem(token) == REFUSED
    assert cause(trail) == "revoked"


async def test_a_second_consumer_is_an_alarm(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, _ = await world.fresh(single_use=True)
    assert (await world.redeem(token)).outcome == ALLOW
    assert not trail.events
    assert await world.redeem(token, "backend/thief") == REFUSED
    assert cause(trail) == "replayed"
    assert (trail.events[0].code, trail.events[0].kind) == ("context_token.token_reused", EventClass.CRITICAL)


async def test_a_key_that_was_rotated_out(heard: tuple[World, Heard]) -> None:
    world, _ = heard
    token, _ = await world.fresh()
    trail = Heard()
    async with mounted(world.house, trail, Keys(ROTATED)) as later:
        assert await later.redeem(token) == REFUSED
    assert cause(trail) == "unknown_key"


async def test_what_is_not_proven_is_not_put_on_record(heard: tuple[World, Heard]) -> None:
    world, trail = heard
    token, mine = await world.fresh()
    head, claims, signature = token.split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    assert await world.redeem(forged) == REFUSED
    assert await world.redeem(mine) == REFUSED  # a transaction token
    assert [event.facts["cause"] for event in trail.events][1] == "type"
    for event in trail.events:
        assert (event.organisation, event.actor, event.txn) == ("", "backend/billing", "")
