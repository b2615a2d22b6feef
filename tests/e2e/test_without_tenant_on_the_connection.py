"""A stack in which no connection is told its tenant: the database then shows nobody's rows rather than everybody's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth

from embedded.stack import Stack
from services.kit.errors import Unavailable
from services.kit.keys import ORG_MAC, KeyRing
from services.kit.org_proof import mint
from services.kit.postgres import Database
from tests.support.altered import altered_stack
from tests.support.backend import Backend, allowed
from tests.support.boundaries import without_tenant
from tests.support.stores import Holder

# What a service would run whose author forgot the organisation, or that was talked into it.
CARELESS = "SELECT org_id FROM tenancy.members"


@dataclass(frozen=True)
class Opened:
    """The stack, and genuine credentials that no process has in its memory."""

    stack: Stack
    credentials: list[auth.Credential]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def opened() -> AsyncIterator[Opened]:
    async with altered_stack() as stack:
        backend = Backend(stack)
        credentials = [await backend.member(), await backend.member(organisation=stack.other)]
        with ExitStack() as undo:  # only now: without it not even the first organisation could be made
            for change in without_tenant():
                undo.enter_context(change)
            yield Opened(stack, credentials)


def holder(stack: Stack, organisation: str) -> Holder:
    secret = KeyRing(stack.layout.keys).secret(ORG_MAC)
    return Holder(mint(organisation, time.time() + 60, secret.kid, secret.value))


async def rows(stack: Stack, statement: str) -> list[Any]:
    """As tenancy's own role, through the door that every service uses, for a caller of acme."""
    database = Database(stack.stores.database_url("tenancy"))
    await database.open()
    try:
        async with database.tenant(holder(stack, "acme")) as connection:
            return await (await connection.execute(statement)).fetchall()
    finally:
        await database.close()


async def test_with_everything_a_careless_query_sees_its_own_only(stack: Stack) -> None:
    assert set(await rows(stack, CARELESS)) == {("acme",)}


async def test_without_a_tenant_it_sees_nobody(opened: Opened) -> None:
    """Both organisations are in the tables; their rows are there for whoever proves one."""
    assert await rows(opened.stack, CARELESS) == []
    assert (
        await rows(opened.stack, "SELECT org_id FROM tenancy.brands UNION SELECT org_id FROM tenancy.member_brands")
        == []
    )


async def test_nobody_is_let_in(opened: Opened) -> None:
    backend = Backend(opened.stack)
    for credential in opened.credentials:
        for brand in ("", opened.stack.brand, opened.stack.other.brand):
            answer = await backend.admit(credential, brand=brand)
            assert not allowed(answer)
            assert not (answer.admission or answer.messages)


async def test_and_nothing_is_written(opened: Opened) -> None:
    database = Database(opened.stack.stores.database_url("tenancy"))
    await database.open()
    try:
        with pytest.raises(Unavailable):
            async with database.tenant(holder(opened.stack, "acme")) as connection:
                await connection.execute(
                    "INSERT INTO tenancy.brands (org_id, brand_id, display_name, zone) VALUES ('globex', 'x', 'x', '')"
                )
    finally:
        await database.close()
