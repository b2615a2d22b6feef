"""A client says in header fields who it is, in every spelling: the product reads only what the gateway says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from cli.members import Administrator
from embedded.stack import Stack
from tests.support import envoy
from tests.support.backend import fresh
from tests.support.envoy import Document, Front

VICTIM = "globex"
SPELLINGS = (
    "x-hauberk-organisation",
    "X-Hauberk-Organisation",
    "x_hauberk_organisation",
    "X-HAUBERK_organisation",
    "x-hauberk.organisation",
    "x-hauberk-organisation-",
    "x-hauberk-admin",
    "x-hauberk-user",
    "x-hauberk-scopes",
    "txn-token",
    "txn_token",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(target: Stack) -> AsyncIterator[Front]:
    async with envoy.front(target.address, target.folder, target.client) as made:
        yield made


def underscores_pass(document: Document) -> None:
    """Without Envoy's own refusal of underscores: ours must hold alone."""
    envoy.manager_of(document)["common_http_protocol_options"] = {"headers_with_underscores_action": "ALLOW"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(edge: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with edge.envoy(change=underscores_pass) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bearer(target: Stack) -> tuple[str, str]:
    user = fresh("smuggler")
    await Administrator(target).add([user])
    return ("authorization", f"Bearer {target.user_jwt(user)}")


async def sent(client: httpx.AsyncClient, lines: list[str]) -> bytes:
    """The answer to bytes: a well-behaved client would join or drop what is there twice."""
    assert client.base_url.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write("\r\n".join(["GET / HTTP/1.1", "host: shop.example", *lines, "connection: close", "", ""]).encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
async def test_no_spelling_reaches_the_product(
    edge: Front, client: httpx.AsyncClient, bearer: tuple[str, str], target: Stack, twice: bool
) -> None:
    claims = [f"{name}: {VICTIM}" for name in SPELLINGS for _ in range(2 if twice else 1)]
    assert (await sent(client, [": ".join(bearer), *claims])).startswith(b"HTTP/1.1 200 ")
    seen = edge.product.seen[-1]
    assert all(VICTIM not in value for _, value in seen.headers)
    assert seen.all("x-hauberk-organisation") == [target.organisation]
    ours = [name for name, _ in seen.headers if "hauberk" in name or "txn" in name]
    assert sorted(ours) == sorted(
        f"x-hauberk-{name}" for name in ("organisation", "user", "brand", "plan", "scopes", "txn")
    )


async def test_the_shipped_configuration_refuses_underscores_before_anything_is_asked(
    edge: Front, bearer: tuple[str, str]
) -> None:
    before = len(edge.product.seen)
    async with edge.envoy() as strict:
        answer = await strict.get("/", headers=[bearer, ("x_hauberk_organisation", VICTIM)])
    assert answer.status_code == 400
    assert len(edge.product.seen) == before


@pytest.mark.parametrize(
    "more",
    [
        "authorization: Bearer other",
        "Authorization: Bearer other",
        "x-api-key: a-key-made-elsewhere-1234",
        "x_api_key: a-key-made-elsewhere-1234\r\nx-api-key: another-key-made-elsewhere",
        "x-api-key: a-key-made-elsewhere-1234\r\nx-api-key: another-key-made-elsewhere",
        "origin: https://a.example\r\norigin: https://b.example",
    ],
)
async def test_what_two_readers_would_read_differently_is_refused(
    edge: Front, client: httpx.AsyncClient, bearer: tuple[str, str], more: str
) -> None:
    before = len(edge.product.seen)
    answer = await sent(client, [": ".join(bearer), more])
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"ambiguous_request"' in answer
    assert len(edge.product.seen) == before
