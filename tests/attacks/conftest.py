"""The real services behind mTLS, and an attacker who holds more than an attacker should."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack, StackOptions
from services.kit.keys import TXN_SIGNING, KeyRing
from tests.attacks.forge import Forge
from tests.attacks.rpcs import BACKEND
from tests.support.backend import Backend
from tests.support.edge import Edge, edge_of
from tests.support.guarded import Guarded, guarded_stack
from tests.support.stores import make_folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def target() -> AsyncIterator[Stack]:
    """Every service that is served, with real stores, on one mTLS port."""
    base = make_folder()
    try:
        async with Stack.running(base / "data", StackOptions()) as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="session")
async def forge(target: Stack) -> Forge:
    """A genuine token of backend/demo, with the means to bend it: even auth's own signing key."""
    request = auth_pb.AuthenticateRequest(credential=auth_pb.Credential(api_key=target.api_key), brand=target.brand)
    answer = await AuthServiceStub(target.channel("auth", BACKEND)).Authenticate(request, timeout=5)
    assert answer.txn_token
    return Forge(answer.txn_token, KeyRing(target.layout.keys).secret(TXN_SIGNING).value)


@pytest_asyncio.fixture(loop_scope="session")
async def backend(target: Stack) -> Backend:
    """The product's own backend: what is asked through it is asked by its users."""
    return Backend(target)


@pytest_asyncio.fixture(loop_scope="session")
async def thief(target: Stack) -> Backend:
    """Another backend with a genuine certificate of its own."""
    return Backend(target, "backend/thief")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded() -> AsyncIterator[Guarded]:
    """Every address is soon over its limit; challenges are verified by a provider on this machine."""
    async with guarded_stack() as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def edge(target: Stack) -> AsyncIterator[Edge]:
    """The HTTP edge in front of the same services; bodies end at 4 kB."""
    async with edge_of(target, body_limit=4096, body_time=0.3) as made:
        yield made
