"""The life of API keys on real stores: rotation, the end of a grace, the pepper, foreign keys, places, the way back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from services.auth.adapters.key_uses import MOST_ROWS
from services.auth.flows.key_making import Wanted, networks_of
from services.auth.flows.key_use import UseLog
from services.auth.policy import api_keys
from services.auth.policy.causes import Cause
from services.auth.policy.identity import Verified
from services.auth.ports.keys import Use
from services.kit import epochs as naming
from services.kit.caller import KeyLimit
from services.kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from tests.contract.auth.shelf import DAY, HERE, Shelf, opened_shelf
from tests.support.stores import DataStores

FOREIGN = "sk_live_51Hx-old-vendor-key_0123456789"
PEPPERS = "SELECT pepper, count(*) FROM auth.api_keys GROUP BY pepper ORDER BY pepper"


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(data_stores: DataStores) -> AsyncIterator[Shelf]:
    async with opened_shelf(data_stores) as made:
        yield made


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def test_a_rotated_key_is_good_to_the_last_second_of_its_grace(shelf: Shelf) -> None:
    old = await shelf.create("chat", limits=(KeyLimit("requests", 9, 60),), addresses=networks_of(["198.51.100.0/24"]))
    new = await shelf.management.rotate(shelf.owner(), old.record.key_id, None)
    assert (new.record.limits, new.record.addresses) == (old.record.limits, old.record.addresses)
    assert new.old_ends_at == shelf.clock.now() + 7 * DAY
    shelf.clock.time += 7 * DAY - 1
    assert (await shelf.show(old.text), await shelf.show(new.text)) == (Cause.NONE, Cause.NONE)
    shelf.clock.time += 1
    assert (await shelf.show(old.text), await shelf.show(new.text)) == (Cause.KEY_GRACE_ENDED, Cause.NONE)


async def test_a_grace_never_outlives_the_key(shelf: Shelf) -> None:
    old = await shelf.create(seconds=3600.0)
    assert (await shelf.management.rotate(shelf.owner(), old.record.key_id, 30.0 * DAY)).old_ends_at == (
        old.record.expires_at
    )


async def test_a_key_is_not_good_before_its_time(shelf: Shelf) -> None:
    key = await shelf.create(not_before=shelf.clock.now() + 100)
    assert await shelf.show(key.text) is Cause.KEY_NOT_YET_VALID
    shelf.clock.time += 100
    assert await shelf.show(key.text) is Cause.NONE
    with pytest.raises(InvalidArgument):
        await shelf.create(not_before=shelf.clock.now() + 100, seconds=100.0)


async def test_the_pepper_is_rotated_and_only_keys_that_nobody_used_are_lost(shelf: Shelf) -> None:
    used, unused, foreign = await shelf.create(), await shelf.create(), FOREIGN + secrets.token_hex(4)
    await shelf.management.take_over(shelf.owner(), Wanted("ann", "shop", ("chat",)), sha256(foreign), "")
    shelf.pepper("p2", "p1")
    assert [await shelf.show(text) for text in (used.text, foreign)] == [Cause.NONE, Cause.NONE]
    assert await shelf.rows(PEPPERS) == [("p1", 3)]  # not in the way of the request
    await shelf.writer.flush()
    assert await shelf.rows(PEPPERS) == [("p1", 1), ("p2", 2)]
    counts, held = await shelf.management.by_pepper()
    assert held == ["p2", "p1"]
    assert counts["p2"][1] >= 2
    shelf.pepper("p2")
    found = [await shelf.show(text) for text in (used.text, foreign, unused.text)]
    assert found == [Cause.NONE, Cause.NONE, Cause.KEY_UNKNOWN]


async def test_two_processes_bring_one_digest_up_to_date_once(shelf: Shelf) -> None:
    key = await shelf.create()
    shelf.pepper("p2", "p1")
    await shelf.show(key.text)
    ((_, (_, upgrades)),) = shelf.log.take().items()
    proof = shelf.minter.proof(shelf.organisation)
    assert [await shelf.uses.upgrade(proof, upgrades) for _ in range(2)] == [1, 0]
    assert await shelf.show(key.text) is Cause.NONE


async def test_an_imported_key_is_known_by_its_hash_alone(shelf: Shelf) -> None:
    foreign = FOREIGN + secrets.token_hex(4)
    wanted = Wanted("ann", "shop", ("chat",))
    record = await shelf.management.take_over(shelf.owner(), wanted, sha256(foreign), foreign[-4:])
    found = await shelf.verified(foreign)
    assert isinstance(found, Verified)
    assert (found.key_id, found.scopes) == (record.key_id, frozenset({"chat"}))
    kept = str(await shelf.rows("SELECT k::text FROM auth.api_keys AS k"))
    assert sha256(foreign).hex() not in kept
    assert foreign not in kept
    for text in (sha256(foreign).hex(), api_keys.imported_form(sha256(foreign)), foreign + "x", foreign[:-1]):
        assert await shelf.show(text) is Cause.KEY_UNKNOWN
    with pytest.raises(AlreadyExists):
        await shelf.management.take_over(shelf.owner(), wanted, sha256(foreign), "")
    # Its successor is one of ours.
    new = await shelf.management.rotate(shelf.owner(), record.key_id, 0.0)
    assert not new.record.imported
    assert (await shelf.show(foreign), await shelf.show(new.text)) == (Cause.KEY_GRACE_ENDED, Cause.NONE)


async def test_the_hash_of_a_key_of_ours_opens_nothing(shelf: Shelf) -> None:
    text = api_keys.compose("hbk", "test", secrets.token_bytes(32))
    await shelf.management.take_over(shelf.owner(), Wanted("ann", "shop", ("chat",)), sha256(text), "")
    assert await shelf.show(text) is Cause.KEY_UNKNOWN


async def test_foreign_keys_only_where_the_deployment_says_so(data_stores: DataStores) -> None:
    async with opened_shelf(data_stores, may_import=False) as other:
        with pytest.raises(FailedPrecondition):
            await other.management.take_over(other.owner(), Wanted("ann", "shop", ("chat",)), sha256(FOREIGN), "")


async def test_every_refusal_costs_the_same_calls(shelf: Shelf) -> None:
    """Whatever stands against a key: one lookup, one reading of epochs, also while it is remembered."""
    texts = {name: (await shelf.create(**more)).text for name, more in REFUSED.items()}
    records = {row[1]: row[0] for row in await shelf.rows("SELECT key_id, display_name FROM auth.api_keys")}
    await shelf.management.revoke(shelf.owner(), records["revoked"])
    await shelf.management.rotate(shelf.owner(), records["rotated"], 0.0)
    assert await shelf.show(texts["place"]) is Cause.NONE  # remembered from here on
    shelf.clock.time += 3
    texts |= {"unknown": api_keys.compose("hbk", "test", secrets.token_bytes(32)), "foreign": FOREIGN + "unknown"}
    causes = {}
    for name, text in texts.items():
        shelf.store.lookups = shelf.mirror.reads = 0
        place = {"place": "203.0.113.9", "no place": ""}.get(name, HERE)
        causes[name] = await shelf.show(text, address=place, brand="other" if name == "brand" else "")
        assert (shelf.store.lookups, shelf.mirror.reads) == (1, 1), name
    assert causes == CAUSES


REFUSED: dict[str, dict[str, object]] = {
    "revoked": {"display_name": "revoked"},
    "rotated": {"display_name": "rotated"},
    "expired": {"display_name": "expired", "seconds": 2.0},
    "early": {"display_name": "early", "not_before": 9e9},
    "place": {"display_name": "place", "addresses": networks_of(["198.51.100.0/24"])},
    "no place": {"display_name": "no place", "addresses": networks_of(["198.51.100.0/24"])},
    "brand": {"display_name": "brand"},
}
CAUSES = {
    "revoked": Cause.KEY_REVOKED,
    "rotated": Cause.KEY_GRACE_ENDED,
    "expired": Cause.KEY_EXPIRED,
    "early": Cause.KEY_NOT_YET_VALID,
    "place": Cause.KEY_ADDRESS,
    "no place": Cause.KEY_ADDRESS,
    "brand": Cause.KEY_WRONG_BRAND,
    "unknown": Cause.KEY_UNKNOWN,
    "foreign": Cause.KEY_UNKNOWN,
}


async def test_last_use_goes_forward_only_and_is_coarse(shelf: Shelf) -> None:
    key = await shelf.create()
    await shelf.show(key.text)
    await shelf.show(key.text, workload="backend/batch", address="2001:db8:7:8::9")
    first = int(shelf.clock.now() // 60) * 60
    await shelf.writer.flush()
    late = Use(key.record.key_id, "backend/shop", "198.51.100.0/24", first - 600)
    await shelf.uses.record(shelf.minter.proof(shelf.organisation), [late])
    report = await shelf.management.uses_of(shelf.owner(), key.record.key_id)
    assert {(use.workload, use.network, use.minute) for use in report} == {
        ("backend/shop", "198.51.100.0/24", first),
        ("backend/batch", "2001:db8:7::/48", first),
    }
    assert (await shelf.management.last_uses(shelf.owner(), [key.record]))[key.record.key_id].minute == first


async def test_a_rotation_can_be_finished(shelf: Shelf) -> None:
    """Who still uses the old key is seen, until nobody does."""
    old = await shelf.create()
    new = await shelf.management.rotate(shelf.owner(), old.record.key_id, None)
    shelf.clock.time += 3600
    await shelf.show(old.text, workload="backend/forgotten")
    await shelf.show(new.text, workload="backend/shop")
    await shelf.writer.flush()
    report = await shelf.management.uses_of(shelf.owner(), old.record.key_id)
    assert [use.workload for use in report] == ["backend/forgotten"]
    with pytest.raises(NotFound):
        await shelf.management.uses_of(shelf.owner(), "key_" + "9" * 22)


async def test_the_report_of_a_key_is_bounded(shelf: Shelf) -> None:
    key_id = (await shelf.create()).record.key_id
    uses = [Use(key_id, "backend/shop", f"10.{n}.0.0/24", 60 * n) for n in range(MOST_ROWS + 20)]
    await shelf.uses.record(shelf.minter.proof(shelf.organisation), uses)
    report = await shelf.management.uses_of(shelf.owner(), key_id)
    assert len(report) == MOST_ROWS
    assert (report[0], report[-1]) == (uses[-1], uses[20])


async def test_what_could_not_be_written_is_written_later(shelf: Shelf) -> None:
    key = await shelf.create()
    await shelf.show(key.text)
    await shelf.database.close()
    await shelf.writer.flush()
    ((organisation, (uses, _)),) = shelf.log.take().items()
    assert (organisation, uses[0].key_id) == (shelf.organisation, key.record.key_id)


def test_a_key_in_a_thousand_hands_does_not_fill_the_memory(shelf_record: api_keys.KeyRecord) -> None:
    from services.auth.policy.identity import Presented
    from services.auth.ports import Digest
    from tests.unit.auth.fakes import HandClock

    log = UseLog(HandClock())
    for number in range(1000):
        presented = Presented("", "backend/shop", "", f"10.{number % 250}.{number // 250}.1")
        log.note(shelf_record, presented, Digest("p1", b""))
    ((_, (uses, _)),) = log.take().items()
    assert len(uses) == 20


@pytest.fixture
def shelf_record() -> api_keys.KeyRecord:
    return api_keys.KeyRecord("key_" + "1" * 22, "acme", "ann", "", frozenset(), "abcd", 0.0, pepper="p1")


@pytest.mark.parametrize("end", ["revoked", "expired", "grace", "epoch"])
async def test_the_operator_has_a_way_back_in_and_it_is_on_record(shelf: Shelf, end: str) -> None:
    organisation = shelf.organisation
    first = await shelf.management.bootstrap(organisation, "ann", "shop")
    with pytest.raises(FailedPrecondition):
        await shelf.management.bootstrap(organisation, "ann", "shop")
    if end == "revoked":
        await shelf.management.revoke(shelf.owner(), first.record.key_id)
    elif end == "epoch":
        await shelf.book.rise(shelf.owner(), naming.ORGANISATION)
    else:
        column = "grace_until" if end == "grace" else "expires_at"
        async with shelf.database.tenant(shelf.owner()) as connection:
            await connection.execute(f"UPDATE auth.api_keys SET {column} = clock_timestamp() + interval '1 day'")
        shelf.clock.time += DAY + 300
    again = await shelf.management.bootstrap(organisation, "ann", "shop")
    assert await shelf.show(first.text) is not Cause.NONE
    assert await shelf.show(again.text) is Cause.NONE
    recorded = [(event.organisation, event.code, critical) for event, critical in shelf.trail.events]
    assert recorded == [(organisation, "auth.bootstrap_api_key", True)] * 2


async def test_nobody_rotates_what_was_given_up(shelf: Shelf) -> None:
    key = await shelf.create("chat")
    owner = replace(shelf.owner("chat", "keys.manage"))
    await shelf.management.revoke(owner, key.record.key_id)
    with pytest.raises(FailedPrecondition):
        await shelf.management.rotate(owner, key.record.key_id, None)
