"""Appending: no fork, no loss, nothing twice, nothing that is not an identifier, nothing in another's name."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from tests.contract.audit.house import House, event
from tests.unit.kit.world import refused


async def test_eight_writers_of_one_organisation(house: House) -> None:
    org = house.organisation()
    events = [[event(org) for _ in range(120)] for _ in range(8)]

    async def write(own: list[pb.Event]) -> int:
        stored = 0
        for start in range(0, len(own), 12):
            stored += await house.append(*own[start : start + 12])
        return stored

    assert sum(await asyncio.gather(*map(write, events))) == 960
    await house.seal(org)
    rows = await house.admin("SELECT sequence, event_id FROM audit.events WHERE org_id = %s ORDER BY sequence", [org])
    assert [row[0] for row in rows] == list(range(1, 961))
    assert {row[1] for row in rows} == {each.event_id for own in events for each in own}
    of = {row[1]: row[0] for row in rows}
    for own in events:  # each writer's order is kept
        places = [of[each.event_id] for each in own]
        assert places == sorted(places)
    answer = await house.verify(org)
    assert (answer.intact, answer.verified) == (True, 960)


async def test_an_event_is_stored_once(house: House) -> None:
    org = house.organisation()
    events = [event(org) for _ in range(20)]
    assert await house.append(*events[:10], *events[:10]) == 10
    shuffled = [*events, *events]
    random.Random(1).shuffle(shuffled)
    assert sum(await asyncio.gather(*(house.append(*shuffled[n : n + 10]) for n in range(0, 40, 10)))) == 10
    assert sorted(await house.stored(org)) == sorted(each.event_id for each in events)


async def test_one_batch_of_many_organisations_and_of_the_platform(house: House) -> None:
    orgs = [house.organisation() for _ in range(4)]
    lost = event("")
    batches = [[event(org) for org in random.Random(n).sample([*orgs, *orgs], 8)] for n in range(8)]
    batches[0].append(lost)
    assert sum(await asyncio.gather(*(house.append(*batch) for batch in batches))) == 65  # crossing locks: no deadlock
    for org in orgs:
        assert (await house.verify(org)).intact
    await house.seal("")
    assert await house.admin("SELECT 1 FROM audit.events WHERE org_id = '' AND event_id = %s", [lost.event_id])


async def test_what_is_kept_is_what_was_sent(house: House) -> None:
    org = house.organisation()
    sent = event(
        org,
        outcome=common.OUTCOME_DENY,
        reason=common.REASON_RATE_LIMITED,
        actor="ada",
        brand="shop",
        txn="t-1",
        trace_id="ab" * 16,
        client_address="2001:db8::1",
        user_agent="Mozilla/5.0 (X11; Linux) Ünicode",
        mfa="otp",
        challenge="passed",
        facts={"status": "OK", "note": "a text that has no place here"},
    )
    await house.append(sent)
    page = await house.stub().Query(pb.QueryRequest(), metadata=house.bearer(org))
    kept = page.events[0]
    assert (kept.sequence, len(kept.hash)) == (1, 64)
    assert dict(kept.facts) == {"status": "OK", "note": "withheld"}
    kept.sequence, kept.hash = 0, ""
    assert kept == sent


async def test_what_is_refused_is_named_and_nothing_of_it_is_stored(house: House) -> None:
    org = house.organisation()
    for changes in ({"facts": {"note": "some text"}}, {"actor": "Ada Lovelace"}, {"service": "tenancy"}):
        wrong = event(org)
        wrong.MergeFrom(pb.Event(**changes))
        error = await refused(house.append(event(org), wrong))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert f"events[1].{next(iter(changes))}" in str(error.details())
        assert "some text" not in str(error)
    assert await house.stored(org) == []


@pytest.mark.parametrize("workload", ["backend/shop", "operator"])
async def test_only_services_append(house: House, workload: str) -> None:
    error = await refused(house.append(event(house.organisation()), workload=workload))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
