"""What an organisation stores for itself: in force in every process within seconds, for nobody else, and never lost."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import Aborted, FailedPrecondition, Unavailable
from services.kit.postgres import Database
from services.redaction.adapters.postgres import PostgresOwnStore
from services.redaction.policy.model import WhenLate
from services.redaction.policy.own import Choices, Own, Recognizer
from tests.contract.redaction.world import World, mounted
from tests.support.stores import DataStores

BADGE = Recognizer("BADGE", r"\bQX-[0-9]{5}\b", 0.3, ("badge", "staff card"))


@pytest_asyncio.fixture(loop_scope="session")
async def store(data_stores: DataStores) -> AsyncIterator[PostgresOwnStore]:
    database = Database(data_stores.service_dsn("redaction"), max_size=2)
    await database.open()
    yield PostgresOwnStore(database)
    await database.close()


def caller(stores: DataStores, organisation: str, proof: str = "") -> Caller:
    return Caller(organisation, "ada", "shop", "t", "gateway", proof or stores.proof(organisation), 0)


def fresh() -> str:
    return f"org-{secrets.token_hex(6)}"


async def test_what_is_stored_is_read_back_with_its_states(data_stores: DataStores, store: PostgresOwnStore) -> None:
    own = caller(data_stores, fresh())
    assert (await store.version(own), await store.read(own)) == (0, Own())
    first = await store.put(own, BADGE, 32)
    second = await store.put(own, replace(BADGE, entity="CRATE", context=()), 32)
    assert (first.etag, second.etag) == ("v1", "v2")
    chosen = await store.choose(own, Choices(tagged=True, names_late=WhenLate.PATTERNS_ONLY))
    assert await store.read(own) == Own(3, chosen, (first, second))
    assert await store.delete(own, "BADGE", "v1")
    assert not await store.delete(own, "BADGE", "")
    left = await store.read(own)
    assert (left.version, left.choices, left.recognizers) == (5, chosen, (second,))
    assert await store.choose(own, Choices()) == Choices(etag="v6")


async def test_a_state_that_is_not_the_present_one_changes_nothing(
    data_stores: DataStores, store: PostgresOwnStore
) -> None:
    own = caller(data_stores, fresh())
    await store.put(own, BADGE, 32)
    await store.choose(own, Choices(tagged=True))
    before = await store.read(own)
    for change in (
        store.put(own, replace(BADGE, score=0.9, etag="v9"), 32),
        store.put(own, replace(BADGE, entity="CRATE", etag="v1"), 32),
        store.delete(own, "BADGE", "v9"),
        store.choose(own, Choices(etag="v1")),
    ):
        with pytest.raises(Aborted):
            await change
    with pytest.raises(FailedPrecondition):
        await store.put(own, replace(BADGE, entity="CRATE"), 1)
    assert await store.read(own) == before
    assert (await store.put(own, replace(BADGE, score=0.9, etag="v1"), 1)).etag == "v3"


async def test_the_limit_holds_for_two_at_once(data_stores: DataStores, store: PostgresOwnStore) -> None:
    own = caller(data_stores, fresh())
    names = [f"TYPE_{letter}" for letter in "ABCDEF"]
    done = await asyncio.gather(*(store.put(own, replace(BADGE, entity=n), 2) for n in names), return_exceptions=True)
    assert sum(isinstance(one, Recognizer) for one in done) == 2
    assert sum(isinstance(one, FailedPrecondition) for one in done) == 4
    assert len((await store.read(own)).recognizers) == 2


async def test_nobody_elses_and_nobodys_proof_reads_nothing_for_something(
    data_stores: DataStores, store: PostgresOwnStore
) -> None:
    """Rows that a bad proof does not see must not look like an organisation without recognizers."""
    mine, theirs = fresh(), fresh()
    await store.put(caller(data_stores, theirs), BADGE, 32)
    assert await store.read(caller(data_stores, mine)) == Own()
    expired, forged = data_stores.proof(theirs, -1), data_stores.proof(theirs, key=b"x" * 32)
    for proof in (data_stores.proof(mine), expired, forged, "mac", ""):
        asked = Caller(theirs, "eve", "shop", "t", "gateway", proof, 0)
        for call in (store.read(asked), store.version(asked)):
            with pytest.raises(Unavailable):
                await call
        for change in (store.put(asked, BADGE, 32), store.delete(asked, "BADGE", ""), store.choose(asked, Choices())):
            with pytest.raises(Unavailable):
                await change
    kept = await store.read(caller(data_stores, theirs))
    assert [one.entity for one in kept.recognizers] == ["BADGE"]


async def redacted(world: World, org: str, text: str) -> tuple[str, str]:
    answer = await world.redact(f"c-{secrets.token_hex(6)}", text, org=org)
    return answer.texts[0].text, answer.policy_version


async def within(seconds: float, world: World, org: str, text: str, wanted: str) -> None:
    until = time.monotonic() + seconds
    while (got := (await redacted(world, org, text))[0]) != wanted:
        assert time.monotonic() < until, got
        await asyncio.sleep(0.05)


async def test_a_change_reaches_every_process_within_its_time(data_stores: DataStores, store: PostgresOwnStore) -> None:
    org = fresh()
    text, replaced = "badge QX-12345", "badge <BADGE>"
    brief = {"redaction_names_model": "none", "redaction_own_seconds": 0.2}
    async with mounted(data_stores, **brief) as world, mounted(data_stores, **brief) as other:
        assert (await redacted(world, org, text))[0] == (await redacted(other, org, text))[0] == text
        await store.put(caller(data_stores, org), BADGE, 32)
        await asyncio.gather(*(within(2, process, org, text, replaced) for process in (world, other)))
        assert (await redacted(world, org, text))[1].endswith("+1")
        assert (await redacted(world, fresh(), text))[0] == text
        await store.choose(caller(data_stores, org), Choices(tagged=True))
        await asyncio.sleep(0.3)
        tagged, version = await redacted(other, org, text)
        assert tagged.startswith("badge <BADGE_T") and version.endswith("+2")
        await store.delete(caller(data_stores, org), "BADGE", "")
        await within(2, other, org, text, text)


async def test_chosen_tags_are_put_back_and_made_up_ones_are_not(
    world: World, data_stores: DataStores, store: PostgresOwnStore
) -> None:
    org = fresh()
    await store.choose(caller(data_stores, org), Choices(tagged=True))
    await store.put(caller(data_stores, org), replace(BADGE, score=0.9), 32)
    answer = await world.redact("talk", "QX-12345", org=org)
    placeholder = answer.texts[0].text
    assert placeholder.startswith("<BADGE_T")
    assert (await world.restore("talk", f"your {placeholder}", org=org)).texts == ["your QX-12345"]
    for made_up in ("<BADGE>", "<BADGE_TAAAAAAAA>"):
        assert (await world.restore("talk", made_up, org=org)).texts == [made_up]


async def test_without_the_first_rules_nothing_is_served(data_stores: DataStores) -> None:
    nowhere: Any = "host=127.0.0.1 port=1 dbname=none user=none"
    async with mounted(data_stores, database_url=nowhere, redaction_names_model="none") as blind:
        detect = blind.stub().Detect(pb.DetectRequest(texts=["clean"]), metadata=blind.token())
        for call in (blind.redact("talk", "clean"), blind.restore("talk", "<US_SSN>"), detect):
            with pytest.raises(aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        # Destroying a key needs no rules.
        ended = await blind.stub().EndConversation(
            pb.EndConversationRequest(conversation="talk-2"), metadata=blind.token()
        )
        assert not ended.key_destroyed
