"""The key of a conversation is destroyed with it: what was copied of its sealed values before is noise afterwards."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from redis.asyncio import Redis

from services.kit.redis import RedisStore
from services.redaction.adapters.redis_store import RedisMappingStore
from services.redaction.adapters.sealing import Sealer, digest_of
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import MappingTampered, Scope, Value
from tests.contract.redaction.world import Keys, World, reason_of
from tests.support.stores import DataStores

TEXT, VALUE = "write to a@b.com", "a@b.com"


def fresh() -> str:
    return f"c-{uuid.uuid4()}"


def key_of(conversation: str, org: str = "acme") -> str:
    return f"hk:redaction:{{{org}}}:{digest_of(Scope(org, 'user-1', conversation))}"


async def end(world: World, conversation: str, org: str = "acme") -> tuple[bool, bool]:
    request = pb.EndConversationRequest(conversation=conversation)
    ended = await world.stub().EndConversation(request, metadata=world.token(org))
    return ended.existed, ended.key_destroyed


async def restored(world: World, conversation: str) -> str:
    """The answer, or the reason why there is none."""
    try:
        return (await world.restore(conversation, "<EMAIL_ADDRESS>")).texts[0]
    except aio.AioRpcError as error:
        return reason_of(error)[1]


async def test_a_copy_without_the_key_is_noise_after_the_end(world: World, raw: Redis) -> None:
    """Put back into Redis, under a service that has every key of its own, nothing of the copy opens."""
    client: Any = raw
    conversation = fresh()
    name = key_of(conversation)
    await world.redact(conversation, TEXT)
    copy = await client.hgetall(name)
    wrapped = copy.pop(b"k")
    assert await end(world, conversation) == (True, True)
    assert not await client.exists(name)

    await client.hset(name, mapping=copy)
    assert await restored(world, conversation) == "<EMAIL_ADDRESS>"
    # The same conversation begins anew, with another key: the copy's records are refused beside it, not opened.
    await world.redact(conversation, "write to c@d.com")
    assert await client.hget(name, "k") != wrapped
    await client.hset(name, mapping=copy)
    assert await restored(world, conversation) == "MAPPING_INVALID"
    sealer = Sealer(Keys())
    scope = Scope("acme", "user-1", conversation)
    for key in (sealer.make(scope), sealer.open(scope, await client.hget(name, "k"))):
        assert key is not None
        with pytest.raises(MappingTampered):
            key.open(Slot("EMAIL_ADDRESS", 1), copy[b"vEMAIL_ADDRESS:1"])


async def test_the_limit_a_copy_that_holds_the_wrapped_key_opens_for_who_has_the_kek(world: World, raw: Redis) -> None:
    """Said openly: the end reaches no dump that was taken before. Without the key-encryption key nobody opens it."""
    client: Any = raw
    conversation = fresh()
    scope = Scope("acme", "user-1", conversation)
    await world.redact(conversation, TEXT)
    copy = await client.hgetall(key_of(conversation))
    await end(world, conversation)
    key = Sealer(Keys()).open(scope, copy[b"k"])
    assert key is not None and key.open(Slot("EMAIL_ADDRESS", 1), copy[b"vEMAIL_ADDRESS:1"]).text == VALUE
    with pytest.raises(MappingTampered):
        Sealer(Keys(b"x" * 32)).open(scope, copy[b"k"])


async def test_what_is_left_after_the_end_are_counts(world: World, raw: Redis) -> None:
    client: Any = raw
    conversation = fresh()
    await world.redact(conversation, "a@b.com c@d.com")
    await end(world, conversation)
    left = [key async for key in client.scan_iter(key_of(conversation) + "*")]
    assert left == [(key_of(conversation) + ":n").encode()]
    assert await client.hgetall(left[0]) == {b"EMAIL_ADDRESS": b"2"}
    assert await end(world, conversation) == (False, False)


async def test_ending_is_for_the_owner_alone(world: World) -> None:
    conversation = fresh()
    await world.redact(conversation, TEXT)
    assert await end(world, conversation, "other") == (False, False)
    assert await restored(world, conversation) == VALUE


async def test_a_destroyed_key_never_comes_back(data_stores: DataStores) -> None:
    """One process still has the key in a call under way when another one ends the conversation."""
    stores = [RedisStore(data_stores.redis_url) for _ in range(2)]
    one, other = [
        RedisMappingStore(store, Sealer(Keys()), seconds=300, number_seconds=3600, most_values=9) for store in stores
    ]
    scope = Scope("acme", "user-1", fresh())
    await one.remember(scope, "gateway", [Value("URL", "a")])
    held = await one.known(scope)
    await other.forget(scope)
    assert await one.remember(scope, "gateway", [Value("URL", "a")], held.key) == [Slot("URL", 2)]
    again = await other.known(scope)
    assert again.key and again.key != held.key
    assert list(again.values) == [("URL", "a")]
    # Two that begin at once end up with one key, and read each other's values.
    both = Scope("acme", "user-1", fresh())
    await asyncio.gather(
        *(store.remember(both, "gateway", [Value("URL", t)]) for store, t in ((one, "x"), (other, "y")))
    )
    assert sorted((await one.known(both)).values) == [("URL", "x"), ("URL", "y")]
    for store in stores:
        await store.close()


async def test_restoring_renews_the_life_of_values(world: World, raw: Redis) -> None:
    client: Any = raw
    conversation = fresh()
    await world.redact(conversation, TEXT)
    await client.expire(key_of(conversation), 20)
    assert await restored(world, conversation) == VALUE
    assert await client.ttl(key_of(conversation)) > 290
    await client.expire(key_of(conversation), 20)
    assert (await world.restore(conversation, "<EMAIL_ADDRESS>", org="other")).unknown == 1
    assert await client.ttl(key_of(conversation)) <= 20


@pytest.mark.parametrize("way", ["ended", "expired"])
async def test_an_old_quote_never_restores_a_newer_value(world: World, raw: Redis, way: str) -> None:
    client: Any = raw
    conversation = fresh()
    await world.redact(conversation, TEXT)
    if way == "ended":
        await end(world, conversation)
    else:
        await client.delete(key_of(conversation))
    newer = await world.redact(conversation, "write to c@d.com")
    assert newer.texts[0].text == "write to <EMAIL_ADDRESS_2>"
    assert await restored(world, conversation) == "<EMAIL_ADDRESS>"
    assert (await world.restore(conversation, "<EMAIL_ADDRESS_2>")).texts == ["c@d.com"]


async def test_a_whole_mapping_moved_to_another_organisation_is_refused(world: World, raw: Redis) -> None:
    client: Any = raw
    conversation = fresh()
    await world.redact(conversation, TEXT)
    await client.hset(key_of(conversation, "other"), mapping=await client.hgetall(key_of(conversation)))
    with pytest.raises(aio.AioRpcError) as refused:
        await world.restore(conversation, "<EMAIL_ADDRESS>", org="other")
    assert reason_of(refused.value) == (grpc.StatusCode.FAILED_PRECONDITION, "MAPPING_INVALID")
