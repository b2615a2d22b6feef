"""The embedded stack: real PostgreSQL and Redis, every service and the gateway in one process.

The services are joined by in-process channels; clients come in over one mTLS port. Keys lie beside the data here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from embedded import assembly, edge, seed
from embedded.client import BACKEND, Connection
from embedded.datafolder import DataFolder
from embedded.issuer import ensure_issuer
from embedded.layout import TRUST_DOMAIN, Layout, Running, read_running
from embedded.postgres import PostgresServer
from embedded.redis import RedisServer
from embedded.supervisor import Supervisor
from services.kit import logs
from services.kit.database_roles import ROLES, role_of
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import ORG_MAC, KeyRing
from services.kit.migrate import prepare_database
from services.kit.provision import ensure_keys
from services.kit.server import Server
from services.kit.settings import ServiceSettings
from services.kit.telemetry.tracing import Tracing


@dataclass(frozen=True)
class StackOptions:
    """How to run it. A port of 0 takes a free one, and without one there is no edge; `issuers` are settings of further
    issuers of users' tokens."""

    gateway_port: int = 0
    ops_port: int = 0
    edge_port: int | None = None
    spans: SpanExporter | None = None
    otlp_endpoint: str = ""
    trace_ratio: float = 1.0
    seed: bool = True
    log_level: str = "ERROR"
    issuers: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Stores:
    """The embedded servers of a folder, prepared: what every process of the stack is pointed at."""

    folder: DataFolder
    layout: Layout
    postgres: PostgresServer
    redis: RedisServer
    supervisor: Supervisor

    def database_url(self, service: str) -> str:
        """The connection string of one service's own role."""
        return self.postgres.role_dsn(role_of(service), self.folder.secret(f"role-{service}"))


@asynccontextmanager
async def running_stores(folder: Path) -> AsyncIterator[Stores]:
    """Starts PostgreSQL and Redis in the folder, with keys, certificates, roles and migrations in place."""
    with DataFolder(folder) as held:
        layout = Layout(held.path)
        layout.client.mkdir(mode=0o700, exist_ok=True)
        ensure_keys(layout.keys)
        ensure_issuer(layout)
        layout.certificate(BACKEND)  # so that a backend on this machine can connect
        postgres, redis = PostgresServer(held), RedisServer(held)
        async with Supervisor([postgres, redis]) as supervisor:
            keys = {version.kid: version.value for version in KeyRing(layout.keys).versions(ORG_MAC)}
            passwords = {role: held.secret(f"role-{role}") for role in ROLES}
            await asyncio.to_thread(prepare_database, postgres.admin_dsn, passwords, keys)
            yield Stores(held, layout, postgres, redis, supervisor)


class Stack(Connection):
    """A running stack; a connection to itself."""

    def __init__(self, stores: Stores, running: Running, servers: dict[str, InProcessServer], tracing: Tracing) -> None:
        super().__init__(stores.layout.folder, running)
        self.stores = stores
        self.supervisor = stores.supervisor
        self.first_start = False
        self._servers = servers
        self._tracing = tracing

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, options: StackOptions | None = None) -> AsyncIterator[Stack]:
        """Starts everything and stops it again in the reverse order; raises EmbeddedError or SettingsError."""
        options = options or StackOptions()
        logs.setup("hauberk", options.log_level)
        async with AsyncExitStack() as exits:
            stores = await exits.enter_async_context(running_stores(folder))
            tracing = Tracing(options.spans, options.trace_ratio)
            if options.spans is None:
                tracing = Tracing.to(options.otlp_endpoint, options.trace_ratio)
            exits.push_async_callback(asyncio.to_thread, tracing.close)  # waits for the collector
            settings = assembly.settings_for(stores, options)
            parts = await assembly.assemble(exits, settings, stores.layout, tracing)
            server = Server(_front(settings), parts.apps, stores.layout.certificate("hauberk"))
            await server.start()
            exits.push_async_callback(server.stop)
            await assembly.start_background(exits, parts)
            edge_address = ""
            if options.edge_port is not None:
                edge_address = await edge.start(exits, options.edge_port, stores.layout, parts.servers, tracing)
            running = Running(f"127.0.0.1:{server.port}", f"127.0.0.1:{server.ops_port}", os.getpid(), edge_address)
            stack = cls(stores, running, parts.servers, tracing)
            exits.push_async_callback(stack.close)
            if options.seed:
                stack.first_start = await seed.ensure(stack)
            stores.layout.write_running(running)
            exits.callback(stores.layout.running_file.unlink, missing_ok=True)
            yield stack

    def inprocess(self, kind: str, workload: str = "backend/demo") -> Any:
        """A channel to a service without a socket, as `workload`."""
        return InProcessChannel(self._servers[kind], f"spiffe://{TRUST_DOMAIN}/{workload}")

    def flush_spans(self) -> None:
        """Sends the spans that are kept so far."""
        self._tracing.flush()


def _front(settings: dict[str, ServiceSettings]) -> ServiceSettings:
    return settings["gateway"]


__all__ = ["Stack", "StackOptions", "Stores", "read_running", "running_stores"]
