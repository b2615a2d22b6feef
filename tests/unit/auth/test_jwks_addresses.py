"""Where a key set may be fetched from, whatever a name server says."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from services.auth.adapters.jwks.source import SourceError, UrlSource, client
from services.kit.reach import PUBLIC, Reach, resolve
from tests.unit.auth.issuer import jwk, key_set

GOOD = key_set(jwk())
INSIDE = Reach((ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32")))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "10.1.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::",
        "localhost",
        "0x7f.1",
        "",
    ],
)
def test_not_public(address: str) -> None:
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert PUBLIC.allows(address)


def test_a_network_is_opened_for_one_issuer_and_no_more() -> None:
    assert INSIDE.allows("10.1.2.3")
    assert INSIDE.allows("fd00:1::5")
    assert INSIDE.allows("::ffff:10.1.2.3")
    assert INSIDE.allows("8.8.8.8")
    for shut in ("10.2.0.1", "127.0.0.1", "::1", "169.254.169.254", "fd00:2::1"):
        assert not INSIDE.allows(shut)
    assert Reach(loopback=True).allows("127.0.0.1")
    assert not Reach(loopback=True).allows("10.0.0.1")


class Names:
    """A name server that may change its mind."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], [], ["nonsense"]],
    ids=str,
)
async def test_a_name_that_leads_inside_is_not_followed(answer: list[str]) -> None:
    async with listening() as (port, heads), client() as fetcher:
        source = UrlSource(f"https://keys.acme.test:{port}/keys", fetcher, resolver=Names(answer))
        with pytest.raises(SourceError) as error:
            await source.read()
    assert str(error.value) == "address"
    assert heads == []


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """A name server that turns round after the check is not asked again."""
    async with listening() as (port, heads), client() as fetcher:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        source = UrlSource(f"http://keys.acme.test:{port}/keys", fetcher, Reach(loopback=True), names)
        assert await source.read() == GOOD
    assert names.asked == [("keys.acme.test", port)]
    assert f"Host: keys.acme.test:{port}\r\n".lower().encode() in heads[0].lower()


async def test_the_next_address_is_tried_when_nobody_answers_at_the_first() -> None:
    async with listening() as (port, _), client() as fetcher:
        names = Names(["127.0.0.2", "127.0.0.1"])
        source = UrlSource(f"http://keys.acme.test:{port}/keys", fetcher, Reach(loopback=True), names)
        assert await source.read() == GOOD


async def test_the_certificate_is_asked_for_by_name() -> None:
    """Over TLS the name that was configured is what is proven, not the address."""
    asked: list[str | None] = []

    def told(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int:
        asked.append(name)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = told
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server, client() as fetcher:
        port = server.sockets[0].getsockname()[1]
        url = f"https://keys.acme.test:{port}/keys"
        source = UrlSource(url, fetcher, Reach(loopback=True), Names(["127.0.0.1"]))
        with pytest.raises(SourceError) as error:
            await source.read()
    assert str(error.value) == "transport"
    assert asked == ["keys.acme.test"]


async def test_names_are_resolved_by_the_system() -> None:
    assert set(await resolve("localhost", 443)) <= {"127.0.0.1", "::1"}
    assert list(await resolve("203.0.113.7", 443)) == ["203.0.113.7"]


async def test_no_connection_is_kept_for_another_name_at_the_same_address() -> None:
    async with listening() as (port, heads), client() as fetcher:
        for name in ("a.test", "b.test"):
            source = UrlSource(f"http://{name}:{port}/", fetcher, Reach(loopback=True), Names(["127.0.0.1"]))
            assert await source.read() == GOOD
        transport = fetcher._transport
        assert isinstance(transport, httpx.AsyncHTTPTransport)
        assert transport._pool.connections == []
    assert len(heads) == 2
