"""A key from elsewhere is brought along, to hold what nobody here would give it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack
from services.auth.flows.key_making import Wanted
from services.auth.policy.causes import Cause
from services.kit.errors import FailedPrecondition, InvalidArgument
from tests.contract.auth.shelf import Shelf, opened_shelf
from tests.support.backend import DEADLINE, Backend, by_key, said, status_of
from tests.support.stores import DataStores

KEY = "vendor-key-0123456789-abcdefghij"


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(data_stores: DataStores) -> AsyncIterator[Shelf]:
    """A deployment that accepts this organisation's imported keys."""
    async with opened_shelf(data_stores) as made:
        yield made


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    "scope", ["settle", "signal", "grant", "reset", "restore", "settle.commit", "audit.read", "ROOT"]
)
async def test_no_imported_key_is_wider_than_its_importer(shelf: Shelf, scope: str) -> None:
    text = KEY + secrets.token_hex(4)
    owner = shelf.owner("chat", "keys.manage")
    with pytest.raises(InvalidArgument):
        await shelf.management.take_over(owner, Wanted("ann", "shop", ("chat", scope)), digest(text), "")
    assert await shelf.show(text) is Cause.KEY_UNKNOWN


async def test_nor_is_it_somebody_elses(shelf: Shelf) -> None:
    for subject, brand in (("eve", "shop"), ("ann", "foreign")):
        with pytest.raises(FailedPrecondition):
            await shelf.management.take_over(shelf.owner(), Wanted(subject, brand, ("chat",)), digest(KEY), "")


async def test_a_successor_is_no_wider_either(shelf: Shelf) -> None:
    text = KEY + secrets.token_hex(4)
    record = await shelf.management.take_over(shelf.owner(), Wanted("ann", "shop", ("chat",)), digest(text), "")
    new = await shelf.management.rotate(shelf.owner(), record.key_id, None)
    assert new.record.scopes == {"chat"}


async def test_where_nothing_is_imported_a_foreign_key_is_nothing(target: Stack, backend: Backend) -> None:
    request = auth.ImportApiKeyRequest(subject=target.admin, scopes=["chat"], sha256=digest(KEY))
    stub = AuthServiceStub(backend.channel("auth"))
    call = stub.ImportApiKey(request, timeout=DEADLINE, metadata=await backend.administer())
    assert await status_of(call) is grpc.StatusCode.FAILED_PRECONDITION
    assert said(await backend.admit(by_key(KEY))) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
