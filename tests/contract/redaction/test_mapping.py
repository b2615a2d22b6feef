"""The mapping at rest: nothing readable, nothing movable, nothing after its time; and no store, no redaction."""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import Any

import grpc
import pytest
from grpc import aio
from redis.asyncio import Redis

from services.kit.redis import RedisStore
from services.redaction.adapters.redis_store import RedisMappingStore
from services.redaction.adapters.sealing import Sealer, digest_of
from services.redaction.ports import Scope, Value
from tests.contract.redaction.world import Keys, World, mounted, reason_of
from tests.support.stores import DataStores

PERSONAL = ["219-09-9999", "4532015112830366", "jane.doe@example.com", "415-555-2671"]


def fresh() -> str:
    return f"c-{uuid.uuid4()}"


def key_of(conversation: str, org: str = "acme") -> str:
    return f"hk:redaction:{{{org}}}:{digest_of(Scope(org, 'user-1', conversation))}"


async def everything(raw: Redis) -> bytes:
    """Keys, fields and values of the whole store."""
    client: Any = raw
    parts: list[bytes] = []
    async for key in client.scan_iter("hk:redaction:*"):
        parts.append(key)
        for name, value in (await client.hgetall(key)).items():
            parts += [name, value]
    return b"\n".join(parts)


async def test_no_personal_value_is_readable_in_the_store(world: World, raw: Redis) -> None:
    conversation = fresh()
    await world.redact(conversation, "ssn {} card {} mail {} call {}".format(*PERSONAL))
    dump = await everything(raw)
    assert digest_of(Scope("acme", "user-1", conversation)).encode() in dump
    assert conversation.encode() not in dump
    for value in PERSONAL:
        plain = value.encode()
        for form in (plain, plain.hex().encode(), plain.hex().upper().encode(), *_base64_forms(plain)):
            assert form not in dump


def _base64_forms(plain: bytes) -> list[bytes]:
    """What is certain to stand in the base64 text of anything that holds the value, at each alignment."""
    cores = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        cores.append(encoded[4:-4])
    return cores


async def test_values_live_for_their_time_and_numbers_longer(world: World, raw: Redis, data_stores: DataStores) -> None:
    conversation = fresh()
    await world.redact(conversation, "a@b.com")
    assert 295 <= await raw.ttl(key_of(conversation)) <= 300
    assert await raw.ttl(key_of(conversation) + ":n") > 86_000
    async with mounted(data_stores, redaction_mapping_seconds=1) as brief:
        short = fresh()
        await brief.redact(short, "a@b.com")
        await asyncio.sleep(1.1)
        assert (await brief.restore(short, "<EMAIL_ADDRESS>")).unknown == 1
        assert (await brief.redact(short, "c@d.com")).texts[0].text == "<EMAIL_ADDRESS_2>"


async def test_a_record_moved_or_altered_is_refused(world: World, raw: Redis) -> None:
    client: Any = raw
    mine, theirs = fresh(), fresh()
    await world.redact(mine, "a@b.com c@d.com")
    await world.redact(theirs, "x@y.com", org="other")
    for name in ("vEMAIL_ADDRESS:1", "k"):
        good = await client.hget(key_of(mine), name)
        second = await client.hget(key_of(mine), "vEMAIL_ADDRESS:2")
        foreign = await client.hget(key_of(theirs, "other"), name)
        for wrong in (second, foreign, good[:-1] + bytes((good[-1] ^ 1,)), b"a@b.com"):
            await client.hset(key_of(mine), name, wrong)
            for call in (world.restore(mine, "<EMAIL_ADDRESS>"), world.redact(mine, "mail c@d.com")):
                with pytest.raises(aio.AioRpcError) as refused:
                    await call
                assert reason_of(refused.value) == (grpc.StatusCode.FAILED_PRECONDITION, "MAPPING_INVALID")
        await client.hset(key_of(mine), name, good)
    assert (await world.restore(mine, "<EMAIL_ADDRESS>")).texts == ["a@b.com"]


async def test_one_round_trip_for_a_message_none_for_a_clean_one(data_stores: DataStores) -> None:
    store = RedisStore(data_stores.redis_url)
    mapping = RedisMappingStore(store, Sealer(Keys()), seconds=300, number_seconds=3600, most_values=3)
    scope = Scope("acme", "user-1", fresh())
    await mapping.remember(scope, "gateway", [Value("URL", "warm")])
    for values in ([Value("URL", "a")], [Value("URL", "a"), Value("URL", "b")]):
        held = await mapping.known(scope)
        before = store.round_trips
        await mapping.remember(scope, "gateway", values, held.key)
        assert store.round_trips - before == 1
    await store.close()


async def test_a_full_conversation_and_a_missing_store_refuse(data_stores: DataStores) -> None:
    async with mounted(data_stores, redaction_most_values=2) as small:
        with pytest.raises(aio.AioRpcError) as refused:
            await small.redact(fresh(), "a@b.com c@d.com e@f.com")
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    async with mounted(data_stores, redis_url="redis://127.0.0.1:1/0") as alone:
        with pytest.raises(aio.AioRpcError) as refused:
            await alone.redact(fresh(), "a@b.com")
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        # Without the store nobody knows which values the conversation holds: no text passes unswept.
        with pytest.raises(aio.AioRpcError) as refused:
            await alone.redact(fresh(), "nothing personal")
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
