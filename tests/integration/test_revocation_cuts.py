"""Services cut from the feed, from the store, from both: nobody who was revoked gets in, by any of them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import patch

import grpc
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.adapters.epoch_mirror import RedisEpochMirror
from services.auth.flows.epochs import EpochBook
from services.kit.keys import ORG_MAC, KeyRing
from services.kit.org_proof import mint
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.revocations import SILENCE, Guard
from tests.support.backend import DEADLINE, Backend, Metadata, by_key, fresh, proof, status_of
from tests.support.fault_cases import Fault
from tests.support.lab import Lab, running_lab
from tests.support.stores import Holder
from tests.support.waiting import eventually

OK, REFUSED, AWAY = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    async with running_lab() as made:
        yield made


class Elsewhere:
    """Another process of auth, with doors of its own to the same stores."""

    def __init__(self, book: EpochBook, holder: Any) -> None:
        self._book, self._holder = book, holder

    async def revoke(self, name: str) -> None:
        await self._book.rise(self._holder, f"u:{name}")


@asynccontextmanager
async def elsewhere(lab: Lab) -> AsyncIterator[Elsewhere]:
    stores = cast(Any, lab.backend.stack).stores
    database, redis = Database(stores.database_url("auth")), RedisStore(stores.redis.url)
    secret = KeyRing(stores.layout.keys).secret(ORG_MAC)
    organisation = lab.backend.stack.organisation

    class Minter:
        def proof(self, name: str) -> Holder:
            return Holder(mint(name, time.time() + 30, secret.kid, secret.value))

    holder: Any = type("Admin", (), {"organisation": organisation, "org_mac": Minter().proof(organisation).org_mac})
    await database.open()
    try:
        yield Elsewhere(EpochBook(RedisEpochMirror(redis), PostgresEpochLedger(database), cast(Any, Minter())), holder)
    finally:
        await redis.close()
        await database.close()


async def user(lab: Lab) -> tuple[str, Metadata]:
    name = fresh("user")
    return name, await lab.backend.proof(await lab.backend.member(name))


async def answers(backend: Backend, presented: Metadata) -> set[grpc.StatusCode]:
    """What the services say to a token that is taken to them directly."""
    limits = RateLimitServiceStub(backend.channel("ratelimit"))
    texts = RedactionServiceStub(backend.channel("redaction"))
    people = TenancyServiceStub(backend.channel("tenancy"))
    asked = tenancy.AuthorizeRequest(
        action="chat.send", resource=tenancy.Resource(type="Brand", id=backend.stack.brand)
    )
    more: Any = {"timeout": DEADLINE, "metadata": presented}
    return {
        await status_of(limits.Inspect(ratelimit.InspectRequest(), **more)),
        await status_of(texts.Detect(redaction.DetectRequest(texts=["hello"]), **more)),
        await status_of(people.Authorize(asked, **more)),
    }


async def following(lab: Lab) -> bool:
    """Whether memory decides again."""
    stub = AuthServiceStub(lab.backend.stack.channel("auth", "operator"))
    try:
        found = await stub.RevocationStatus(auth.RevocationStatusRequest(), timeout=DEADLINE)
    except grpc.aio.AioRpcError:
        return False
    return bool(found.processes) and all(p.following and not p.behind for p in found.processes)


async def until_refused(backend: Backend, presented: Metadata) -> float:
    started = time.monotonic()
    while await answers(backend, presented) != {REFUSED}:
        assert time.monotonic() - started < 5
    return time.monotonic() - started


async def test_cut_from_the_store_but_not_from_the_feed(lab: Lab) -> None:
    name, token = await user(lab)
    _, other = await user(lab)
    async with elsewhere(lab) as auth_elsewhere:
        assert await eventually(lambda: following(lab))
        with lab.proxies["auth", "redis"].broken(Fault.REFUSED):
            assert await answers(lab.backend, token) == {OK}
            await auth_elsewhere.revoke(name)
            assert await until_refused(lab.backend, token) < 1.0
            assert await answers(lab.backend, other) == {OK}  # decided from memory, store or no store
    await lab.healthy()
    assert await answers(lab.backend, token) == {REFUSED}


async def test_cut_from_the_feed_but_not_from_the_store(lab: Lab) -> None:
    name, token = await user(lab)
    _, other = await user(lab)
    dropped: list[float] = []
    genuine = Guard._drop

    def drop(self: Guard, why: str) -> None:
        dropped.append(time.monotonic())
        genuine(self, why)

    async with elsewhere(lab) as auth_elsewhere:
        assert await eventually(lambda: following(lab))
        with patch.object(Guard, "_drop", drop), lab.proxies["auth", "postgres"].broken(Fault.REFUSED):
            cut = time.monotonic()
            await asyncio.sleep(SILENCE + 0.1)
            assert len(dropped) == 2  # the shared one's and auth's own
            assert max(dropped) - cut <= SILENCE
            assert await answers(lab.backend, other) == {OK}  # each call asks auth, and its Redis knows
            await auth_elsewhere.revoke(name)
            assert await answers(lab.backend, token) == {REFUSED}  # the very next call
            assert await answers(lab.backend, other) == {OK}
    await lab.healthy()
    assert await eventually(lambda: following(lab))
    assert await answers(lab.backend, token) == {REFUSED}


async def test_cut_from_both_nobody_is_believed(lab: Lab) -> None:
    _, token = await user(lab)
    assert await eventually(lambda: following(lab))
    with lab.proxies["auth", "postgres"].broken(Fault.TIMEOUT), lab.proxies["auth", "redis"].broken(Fault.REFUSED):
        await asyncio.sleep(SILENCE + 0.1)
        assert await answers(lab.backend, token) == {AWAY}
    await lab.healthy()
    assert await eventually(lambda: following(lab))


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_restart_of_a_store_resurrects_nothing(lab: Lab, store: str) -> None:
    name, token = await user(lab)
    admin = await lab.backend.administer()
    request = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id=name)
    await AuthServiceStub(lab.backend.channel("auth")).RevokeSubject(request, timeout=DEADLINE, metadata=admin)
    await until_refused(lab.backend, token)
    supervisor = cast(Any, lab.backend.stack).supervisor
    old = supervisor.pids()[store]
    os.kill(old, signal.SIGKILL)
    seen: set[grpc.StatusCode] = set()
    ends = time.monotonic() + SILENCE + 0.3
    while time.monotonic() < ends:
        seen |= await answers(lab.backend, token)
        await asyncio.sleep(0.02)
    assert seen == {REFUSED}
    assert supervisor.pids()[store] != old
    await lab.healthy()
    assert await answers(lab.backend, token) == {REFUSED}
    admitted = await lab.backend.admit(auth.Credential(jwt=lab.backend.stack.user_jwt(name)))
    assert not admitted.admission


async def test_a_token_of_the_second_of_the_revocation(lab: Lab) -> None:
    """Numbers have no seconds: what was minted a moment before is refused, a moment after is good."""
    key = await lab.new_key()
    stub = AuthServiceStub(lab.backend.channel("auth"))
    for _ in range(10):
        name, before = await user(lab)
        request = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id=name)
        admin, credential = await lab.backend.administer(), auth.Credential(jwt=lab.backend.stack.user_jwt(name))
        minting = [asyncio.ensure_future(lab.backend.authenticate(credential)) for _ in range(4)]
        await stub.RevokeSubject(request, timeout=DEADLINE, metadata=admin)
        tokens = [proof(answer.txn_token) for answer in await asyncio.gather(*minting) if answer.txn_token]
        await until_refused(lab.backend, before)
        for late in tokens:
            assert await answers(lab.backend, late) == {REFUSED}
    assert (await lab.backend.authenticate(key)).txn_token


async def test_by_key(lab: Lab) -> None:
    """A new key of the same user is good after a revocation of an old one."""
    first, second = await lab.new_key(), await lab.new_key()
    stub, admin = AuthServiceStub(lab.backend.channel("auth")), await lab.backend.administer()
    proofs = [await lab.backend.proof(key) for key in (first, second)]
    listed = await stub.ListApiKeys(auth.ListApiKeysRequest(page_size=100), timeout=DEADLINE, metadata=admin)
    (old,) = [key.key_id for key in listed.keys if key.last_four == first.api_key[-4:]]
    await stub.RevokeApiKey(auth.RevokeApiKeyRequest(key_id=old), timeout=DEADLINE, metadata=admin)
    assert await until_refused(lab.backend, proofs[0]) < 1.0
    assert await answers(lab.backend, proofs[1]) == {OK}


async def test_who_was_revoked_comes_back_with_a_new_credential(lab: Lab) -> None:
    """Also while every process remembers the revocation: auth's own questions about a user are no token of theirs."""
    name, token = await user(lab)
    stub, admin = AuthServiceStub(lab.backend.channel("auth")), await lab.backend.administer()
    request = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id=name)
    await stub.RevokeSubject(request, timeout=DEADLINE, metadata=admin)
    await until_refused(lab.backend, token)
    wanted = auth.CreateApiKeyRequest(subject=name, scopes=["chat"], brand=lab.backend.stack.brand)
    made = await stub.CreateApiKey(wanted, timeout=DEADLINE, metadata=admin)
    fresh_token = await lab.backend.proof(by_key(made.api_key))
    assert await answers(lab.backend, fresh_token) == {OK}
    assert await answers(lab.backend, token) == {REFUSED}
