"""Revocation on real stores: nothing that was revoked comes back, whatever is lost."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.adapters.epoch_mirror import RedisEpochMirror
from services.auth.policy.epochs import Mark
from services.kit.errors import Unavailable
from services.kit.redis import RedisStore
from tests.contract.auth.house import ALLOW, DENY, House
from tests.support.stores import Holder

USER = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann")
BRAND = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_BRAND, id="shop")
WHOLE = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_ORGANISATION)


@pytest.mark.parametrize("request_", [USER, BRAND, WHOLE], ids=["user", "brand", "organisation"])
async def test_revoking_a_subject_ends_keys_admissions_and_what_its_token_could_do(
    house: House, request_: pb.RevokeSubjectRequest
) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    handle = await house.admission(token)
    assert (await house.go_on(handle)).outcome == ALLOW
    assert (await house.call("RevokeSubject", token, request_)).epoch == 1
    assert (await house.authenticate(key)).outcome == DENY
    assert (await house.go_on(handle)).outcome == DENY
    with pytest.raises(aio.AioRpcError) as error:
        await house.call("CreateApiKey", token, pb.CreateApiKeyRequest(subject="ann", scopes=["chat"]))
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_another_user_is_not_touched(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    other = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="somebody")
    assert (await house.call("RevokeSubject", token, other)).epoch == 1
    assert (await house.call("RevokeSubject", token, other)).epoch == 2
    assert (await house.authenticate(key)).outcome == ALLOW


async def test_the_same_name_in_another_organisation_is_not_touched(house: House) -> None:
    _, ours = await house.organisation()
    _, theirs = await house.organisation()
    await house.call("RevokeSubject", await house.token(ours), USER)
    assert (await house.authenticate(theirs)).outcome == ALLOW


@pytest.mark.parametrize(
    "request_",
    [
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_BRAND, id="Not-A-Brand"),
        pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_ORGANISATION, id="globex"),
        pb.RevokeSubjectRequest(id="ann"),
    ],
    ids=["no user", "no brand", "an organisation by name", "no kind"],
)
async def test_a_subject_must_be_named_exactly(house: House, request_: pb.RevokeSubjectRequest) -> None:
    _, key = await house.organisation()
    with pytest.raises(aio.AioRpcError) as error:
        await house.call("RevokeSubject", await house.token(key), request_)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_losing_all_of_redis_resurrects_nothing(house: House) -> None:
    name, key = await house.organisation()
    token = await house.token(key)
    await house.call("RevokeSubject", token, USER)
    await house.redis.client.delete(f"hk:auth:{{{name}}}:epochs")
    assert (await house.authenticate(key)).outcome == DENY


async def test_an_older_copy_of_redis_resurrects_nothing(house: House) -> None:
    """A server that came back from an old file: same content, another process."""
    name, key = await house.organisation()
    token = await house.token(key)
    slot = f"hk:auth:{{{name}}}:epochs"
    old = await house.redis.client.dump(slot)
    assert isinstance(old, bytes)
    await house.call("RevokeSubject", token, USER)
    await house.redis.client.restore(slot, 900_000, old, replace=True)
    await house.redis.client.hset(slot, "run", secrets.token_hex(20))  # what the older process was called
    assert (await house.authenticate(key)).outcome == DENY


def mirror_of(house: House) -> tuple[str, RedisEpochMirror]:
    return f"org-{secrets.token_hex(6)}", RedisEpochMirror(house.redis)


async def test_the_mirror_says_what_it_knows_and_no_more(house: House) -> None:
    name, mirror = mirror_of(house)
    assert await mirror.read(name, ["o", "u:ann"]) == [None, None]
    await mirror.fill(name, {"o": Mark(), "u:ann": Mark(2, 1_700_000_000.25)})
    assert await mirror.read(name, ["u:ann", "o", "b:shop"]) == [Mark(2, 1_700_000_000.25), Mark(), None]


async def test_an_epoch_never_goes_down(house: House) -> None:
    name, mirror = mirror_of(house)
    await mirror.fill(name, {"o": Mark(5, 50.0)})
    await mirror.fill(name, {"o": Mark(4, 40.0)})
    assert await mirror.read(name, ["o"]) == [Mark(5, 50.0)]
    await mirror.publish(name, "o", Mark(3, 30.0), "t")
    assert await mirror.read(name, ["o"]) == [Mark(5, 50.0)]


async def test_a_withheld_name_cannot_be_filled_with_what_was_read_before(house: House) -> None:
    name, mirror = mirror_of(house)
    await mirror.fill(name, {"o": Mark()})
    token = await mirror.withhold(name, "o")
    assert await mirror.read(name, ["o"]) == [None]
    await mirror.fill(name, {"o": Mark()})
    assert await mirror.read(name, ["o"]) == [None]
    await mirror.publish(name, "o", Mark(1, 10.0), token)
    await mirror.fill(name, {"o": Mark()})
    assert await mirror.read(name, ["o"]) == [Mark(1, 10.0)]


async def test_only_the_last_to_withhold_may_publish(house: House) -> None:
    name, mirror = mirror_of(house)
    first = await mirror.withhold(name, "o")
    second = await mirror.withhold(name, "o")
    await mirror.publish(name, "o", Mark(1, 10.0), first)
    assert await mirror.read(name, ["o"]) == [None]
    await mirror.publish(name, "o", Mark(2, 20.0), second)
    assert await mirror.read(name, ["o"]) == [Mark(2, 20.0)]


async def test_one_reading_is_one_round_trip(house: House) -> None:
    name, mirror = mirror_of(house)
    await mirror.fill(name, {"o": Mark()})
    await mirror.read(name, ["o"])
    before = house.redis.round_trips
    await mirror.read(name, ["o", "u:ann", "b:shop", "k:key_0"])
    assert house.redis.round_trips - before == 1


async def test_the_ledger_counts_for_its_own_organisation_only(house: House) -> None:
    ledger = PostgresEpochLedger(house.database)
    ours, theirs = (f"org-{secrets.token_hex(6)}" for _ in range(2))
    proof = Holder(house.stores.proof(ours))
    marks = await asyncio.gather(*(ledger.rise(proof, ours, "o") for _ in range(5)))
    assert sorted(mark.epoch for mark in marks) == [1, 2, 3, 4, 5]
    assert (await ledger.read(Holder(house.stores.proof(theirs)), ["o"]))["o"] == Mark()
    for forged in (Holder(house.stores.proof(theirs)), Holder(""), Holder(house.stores.proof(ours, seconds=-1))):
        with pytest.raises(Unavailable):
            await ledger.rise(forged, ours, "o")


async def test_stores_away_are_unavailable_not_denied(house: House) -> None:
    nowhere: Any = RedisEpochMirror(RedisStore("redis://127.0.0.1:9", 0.1))
    for call in (nowhere.read("acme", ["o"]), nowhere.withhold("acme", "o"), nowhere.fill("acme", {"o": Mark()})):
        with pytest.raises(Unavailable):
            await call
