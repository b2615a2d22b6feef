"""Ports that nobody shares, standard health and reflection, calls in flight that end, certificates that change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import proto_reflection_descriptor_database
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc

from services.kit import certs
from services.kit.server import Server
from services.kit.settings import SettingsError
from services.kit.tls import TlsFiles
from tests.unit.kit.world import CODE, DOMAIN, World, login, refused, serving, settings_of

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(port: int, name: str = "") -> Any:
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        return (await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=2)).status


async def test_a_port_in_use_is_a_plain_start_up_error(world: World, tmp_path: Path) -> None:
    tls = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    for name, port in (("listen", world.server.port), ("ops_listen", world.server.ops_port)):
        second = Server(settings_of(**{name: f"127.0.0.1:{port}"}), [], tls)
        with pytest.raises(SettingsError, match=f"{name}: .* cannot be bound"):
            await second.start()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "10.0.0.1:0", "auth:0", ":0"])
async def test_the_ops_port_without_credentials_stays_on_loopback(tmp_path: Path, address: str) -> None:
    tls = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    with pytest.raises(SettingsError, match="loopback"):
        await Server(settings_of(ops_listen=address), [], tls).start()


async def test_health_answers_a_standard_client(world: World) -> None:
    assert await health(world.server.ops_port) == SERVING
    assert await health(world.server.ops_port, "hauberk.auth.v1.AuthService") == SERVING
    status = await refused(health(world.server.ops_port, "hauberk.nobody.v1.Nobody"))
    assert status.code() is CODE.NOT_FOUND


async def test_health_and_reflection_are_not_on_the_service_port(world: World) -> None:
    async with world.channel("tcp") as channel:
        assert isinstance(channel, aio.Channel)
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        status = await refused(stub.Check(health_pb2.HealthCheckRequest(), timeout=2))
    assert status.code() is CODE.UNIMPLEMENTED


async def test_reflection_shows_the_contract_to_a_standard_client(world: World) -> None:
    def read() -> tuple[set[str], set[str]]:
        with grpc.insecure_channel(f"127.0.0.1:{world.server.ops_port}") as channel:
            database = proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(channel)
            pool = descriptor_pool.DescriptorPool(database)
            service = pool.FindServiceByName("hauberk.auth.v1.AuthService")
            return set(database.get_services()), {method.name for method in service.methods}

    services, methods = await asyncio.to_thread(read)
    assert {"hauberk.auth.v1.AuthService", "grpc.health.v1.Health"} <= services
    assert {"Authenticate", "Continue", "GetJwks"} <= methods


async def test_a_call_in_flight_ends_when_the_server_stops(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: Any, context: Any) -> Any:
        begun.set()
        await go_on.wait()
        return pb.AuthenticateResponse(txn_token="done")

    async with serving(tmp_path) as world, world.channel("tcp") as channel:
        world.auth.does["Authenticate"] = handler
        stub = auth_grpc.AuthServiceStub(channel)

        async def ask() -> Any:
            return await stub.Authenticate(login(), timeout=2)

        call = asyncio.create_task(ask())
        await asyncio.wait_for(begun.wait(), 1)
        stopping = asyncio.create_task(world.server.stop())
        await asyncio.sleep(0.05)
        late = await refused(stub.Authenticate(login(), timeout=0.5))
        assert late.code() in {CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED}
        go_on.set()
        assert (await call).txn_token == "done"
        await asyncio.wait_for(stopping, 3)


async def test_a_call_that_outlasts_the_drain_is_ended(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def handler(request: Any, context: Any) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    async with serving(tmp_path, drain=0.2, deadline_limit=60) as world, world.channel("tcp") as channel:
        world.auth.does["Authenticate"] = handler

        async def ask() -> Any:
            return await auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=20)

        call = asyncio.create_task(ask())
        await asyncio.sleep(0.1)
        await asyncio.wait_for(world.server.stop(), 2)
        await refused(call)
        await asyncio.wait_for(ended.wait(), 1)


async def test_changed_certificates_are_taken_without_a_restart(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    async with serving(old) as world:

        async def jwks(request: Any, context: Any) -> Any:
            return pb.GetJwksResponse(jwks="{}")

        async def ask(files: TlsFiles) -> Any:
            async with world.channel("tcp", files=files) as channel:
                return await auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2)

        world.auth.does["GetJwks"] = jwks
        before = certs.issue(old, DOMAIN, "gateway")
        before = TlsFiles(_copy(before.cert), _copy(before.key), _copy(before.ca))
        await ask(before)
        fresh = certs.issue(new, DOMAIN, "auth", serves=["auth"])
        for name, source in (("auth.crt", fresh.cert), ("auth.pem", fresh.key), ("ca.crt", fresh.ca)):
            (old / name).write_bytes(source.read_bytes())
        await ask(certs.issue(new, DOMAIN, "gateway"))
        status = await refused(ask(before))
        assert status.code() is CODE.UNAVAILABLE
        (old / "auth.crt").unlink()  # a half-written set keeps the last good one
        await ask(certs.issue(new, DOMAIN, "gateway"))


def _copy(path: Path) -> Path:
    copy = path.with_suffix(".before")
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    return copy.rename(path.with_name(f"before-{path.name}"))


@pytest.mark.parametrize("missing", ["cert", "key", "ca"])
def test_a_missing_tls_file_stops_the_start(tmp_path: Path, missing: str) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth")
    getattr(files, missing).unlink()
    settings = settings_of(tls_cert=files.cert, tls_key=files.key, tls_ca=files.ca)
    with pytest.raises(SettingsError, match="cannot be read"):
        TlsFiles.of(settings)
    with pytest.raises(SettingsError, match="tls_cert: required"):
        TlsFiles.of(settings_of())


def test_a_private_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth")
    files.key.chmod(0o644)
    with pytest.raises(SettingsError, match=r"auth\.pem is readable by others"):
        files.read()


def test_production_refuses_a_development_authority(tmp_path: Path) -> None:
    files = certs.issue(tmp_path, DOMAIN, "auth", serves=["auth"])
    certs.refuse_development(settings_of(), files)
    production = settings_of(environment="production")
    with pytest.raises(SettingsError, match="development authority"):
        certs.refuse_development(production, files)
    beside = tmp_path / "both.crt"  # also when it stands behind another one
    beside.write_bytes(certs.issue(tmp_path / "other", DOMAIN, "auth").cert.read_bytes() + files.ca.read_bytes())
    with pytest.raises(SettingsError, match="development authority"):
        certs.refuse_development(production, TlsFiles(files.cert, files.key, beside))
