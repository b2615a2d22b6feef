"""Certificates are replaced while calls go on: new calls and connections get the new ones, old ones end in peace."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from structlog.testing import capture_logs

from services.kit import certs, channels
from services.kit.renewing import LOOK_SECONDS, RenewingChannel
from services.kit.tls import Fresh, TlsFiles
from tests.unit.kit.world import CODE, DOMAIN, SHOP, World, login, refused, serving

CERT = "x509_pem_cert"


class Seen:
    """What the server knows of its callers."""

    def __init__(self, world: World) -> None:
        self.serials: list[int] = []
        self.go_on = asyncio.Event()
        world.auth.does["GetJwks"] = self.jwks
        world.auth.does["Authenticate"] = self.slow

    async def jwks(self, _: Any, context: Any) -> Any:
        pem = context.auth_context()[CERT][0]
        self.serials.append(x509.load_pem_x509_certificate(pem).serial_number)
        return pb.GetJwksResponse(jwks="{}")

    async def slow(self, *_: Any) -> Any:
        await self.go_on.wait()
        return pb.AuthenticateResponse()


class Caller:
    """A channel whose looks at its files are told when to happen, and one stub of it."""

    def __init__(self, channel: RenewingChannel) -> None:
        self.time = 0.0
        self.channel = channel
        channel._tick = lambda: self.time
        channel._look_at = LOOK_SECONDS
        self.stub = auth_grpc.AuthServiceStub(channel)

    async def ask(self, later: float = LOOK_SECONDS) -> None:
        self.time += later
        await self.stub.GetJwks(pb.GetJwksRequest(), timeout=3)


@asynccontextmanager
async def pair(tmp_path: Path) -> AsyncIterator[tuple[World, Seen, Caller, TlsFiles]]:
    async with serving(tmp_path) as world:
        files = certs.issue(tmp_path, DOMAIN, SHOP)
        channel = channels.connect(f"127.0.0.1:{world.server.port}", "auth", files)
        assert isinstance(channel, RenewingChannel)
        async with channel:
            yield world, Seen(world), Caller(channel), files


def serial(files: TlsFiles) -> int:
    return x509.load_pem_x509_certificate(files.cert.read_bytes()).serial_number


def shown_by(world: World, files: TlsFiles) -> int:
    """The certificate that a new connection sees."""
    context = ssl.create_default_context(cafile=str(files.ca))
    context.check_hostname = False
    context.load_cert_chain(files.cert, files.key)
    with (
        socket.create_connection(("127.0.0.1", world.server.port), timeout=3) as raw,
        context.wrap_socket(raw) as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der).serial_number


async def test_a_stub_shows_the_new_certificate_after_it_was_replaced(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, seen, caller, files):
        first = serial(files)
        await caller.ask()
        certs.issue(tmp_path, DOMAIN, SHOP, renew=True)
        await caller.ask(LOOK_SECONDS / 4)
        await caller.ask()
        assert seen.serials == [first, first, serial(files)]
        assert serial(files) != first


async def test_a_call_under_way_ends_on_the_old_channel(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, seen, caller, __):
        running = asyncio.ensure_future(caller.stub.Authenticate(login(), timeout=5))
        await caller.ask(0)
        for _ in range(3):
            certs.issue(tmp_path, DOMAIN, SHOP, renew=True)
            await caller.ask()
        assert (caller.channel.generation, len(set(seen.serials))) == (3, 4)
        assert not running.done()
        seen.go_on.set()
        assert await running == pb.AuthenticateResponse()
        await asyncio.sleep(0.05)
        assert list(caller.channel._under_way.values()) == [0]


async def test_closing_ends_what_still_drains(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, __, caller, ___):
        running = asyncio.ensure_future(caller.stub.Authenticate(login(), timeout=5))
        await caller.ask(0)
        certs.issue(tmp_path, DOMAIN, SHOP, renew=True)
        await caller.ask()
        await asyncio.wait_for(caller.channel.close(), 2)
        with pytest.raises((asyncio.CancelledError, aio.AioRpcError)):
            await asyncio.wait_for(running, 1)


@pytest.mark.parametrize("half", ["cert", "key"])
async def test_half_a_pair_changes_nothing_until_the_other_half_comes(tmp_path: Path, half: str) -> None:
    async with pair(tmp_path) as (_, seen, caller, files):
        first = serial(files)
        fresh = certs.issue(tmp_path / "beside", DOMAIN, SHOP)
        pieces = {"cert": (files.cert, fresh.cert.read_bytes()), "key": (files.key, fresh.key.read_bytes())}
        path, data = pieces.pop(half)
        path.write_bytes(data)
        with capture_logs() as logs:
            await caller.ask()
        assert [entry["event"] for entry in logs] == ["tls.files_refused"]
        ((path, data),) = pieces.values()
        path.write_bytes(data)
        files.ca.write_bytes(fresh.ca.read_bytes() + files.ca.read_bytes())
        await caller.ask()
        assert seen.serials == [first, serial(fresh)]


async def test_a_server_shows_its_new_certificate_and_old_connections_go_on(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, seen, caller, files):
        await caller.ask()
        before = await asyncio.to_thread(shown_by, world, files)
        certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"], renew=True)
        after = await asyncio.to_thread(shown_by, world, files)
        assert before != after == serial(certs.issue(tmp_path, DOMAIN, "auth"))
        await caller.ask(0)
        assert len(seen.serials) == 2 and caller.channel.generation == 0


async def test_an_authority_is_replaced_in_three_steps_under_traffic(tmp_path: Path) -> None:
    async with pair(tmp_path) as (world, seen, caller, files):
        left_behind = TlsFiles(*(tmp_path / f"old-{path.name}" for path in (files.cert, files.key, files.ca)))
        for source, copy in ((files.cert, left_behind.cert), (files.key, left_behind.key), (files.ca, left_behind.ca)):
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o600)
        await caller.ask()
        certs.add_authority(tmp_path)
        await caller.ask()
        certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"], renew=True)
        await caller.ask()
        certs.issue(tmp_path, DOMAIN, SHOP, renew=True)
        await caller.ask()
        assert certs.of_newest_authority(files)
        assert certs.drop_older_authorities(tmp_path) == 1
        await caller.ask()
        assert len(seen.serials) == 5
        async with channels.connect(f"127.0.0.1:{world.server.port}", "auth", left_behind) as channel:
            status = await refused(auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2))
            assert status.code() is CODE.UNAVAILABLE


def test_looking_at_files_that_did_not_change_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certs.issue(tmp_path, DOMAIN, SHOP)
    fresh = Fresh(files)

    def read(_: Any) -> Any:
        raise AssertionError("read")

    monkeypatch.setattr(TlsFiles, "read", read)
    assert fresh.renew() is False


def test_a_certificate_that_ends_soon_is_issued_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certs, "VALIDITY", certs.RENEW_BEFORE / 2)
    first = serial(certs.issue(tmp_path, DOMAIN, SHOP))
    monkeypatch.undo()
    second = serial(certs.issue(tmp_path, DOMAIN, SHOP))
    assert first != second == serial(certs.issue(tmp_path, DOMAIN, SHOP))
