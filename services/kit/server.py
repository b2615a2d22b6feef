"""Serving: one gRPC port with mTLS and the layers, one ops port with health and reflection, and an orderly end."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from services.kit.access import rules_of
from services.kit.audit import Trail
from services.kit.auditing import Auditing, Intent
from services.kit.boundary import Boundary
from services.kit.call import Layer, LayeredInterceptor
from services.kit.channels import MAX_MESSAGE
from services.kit.clock import Clock, SystemClock
from services.kit.deadline import Deadline
from services.kit.identity import Identity
from services.kit.keys import KeyPort
from services.kit.revocations import Guard
from services.kit.settings import ServiceSettings, SettingsError
from services.kit.telemetry.tracing import OFF, Telemetry, Tracing
from services.kit.tls import TlsFiles, server_credentials
from services.kit.txn_token import TokenVerifier
from services.kit.validation import Validation


@dataclass(frozen=True)
class Mount:
    """One gRPC service of an application."""

    servicer: Any
    add_to_server: Callable[[Any, Any], None]
    descriptor: ServiceDescriptor


@dataclass(frozen=True)
class App:
    """What a service's bootstrap builds: its mounts, and work that runs beside the requests.

    `caches` are dropped when the feed of revocations falls silent. A `guard` of its own has only auth, which reads the
    feed where it is written.
    """

    name: str
    mounts: Sequence[Mount]
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    caches: Sequence[Callable[[], None]] = ()
    guard: Guard | None = None


@dataclass(frozen=True)
class Wiring:
    """What a bootstrap is given: keys, channels to peers by kind, a clock, a stack that closes what it opens, and the
    audit trail (None = nothing is recorded: tests and tools)."""

    keys: KeyPort
    channel: Callable[[str], aio.Channel]
    clock: Clock
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    trail: Trail | None = None


def layers_of(
    app: App,
    settings: ServiceSettings,
    verifier: TokenVerifier | None,
    tracing: Tracing,
    trail: Trail | None = None,
    guard: Guard | None = None,
) -> list[Layer]:
    """The layers of a server, outermost first; their order is checked when the interceptor is made."""
    clock = SystemClock()
    return [
        Boundary(),
        *([Auditing(trail, app.name, clock)] if trail else []),
        Deadline(settings.deadline_limit, settings.stream_limit),
        Telemetry(tracing.tracer(app.name)),
        Identity(verifier, settings.trust_domain, app.guard or guard),
        Validation(mount.descriptor for mount in app.mounts),
        *([Intent(trail, app.name, clock)] if trail else []),
    ]


def interceptor_of(
    app: App,
    settings: ServiceSettings,
    verifier: TokenVerifier | None,
    tracing: Tracing = OFF,
    trail: Trail | None = None,
    guard: Guard | None = None,
) -> LayeredInterceptor:
    """The layers with the access matrix of the application's services."""
    rules = rules_of(mount.descriptor for mount in app.mounts)
    return LayeredInterceptor(layers_of(app, settings, verifier, tracing, trail, guard), rules)


class Server:
    """A served application: `start`, then `stop`, which drains."""

    def __init__(
        self, settings: ServiceSettings, apps: Sequence[tuple[App, LayeredInterceptor]], tls: TlsFiles
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._tls = tls
        self._health = HealthServicer()
        self._servers: list[aio.Server] = []
        self.port = 0
        self.ops_port = 0

    async def start(self) -> None:
        """Binds both ports; raises SettingsError when an address is taken or not allowed."""
        # SO_REUSEPORT would let a second process silently share our port.
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_metadata_size", 16 * 1024),  # from half of it on, gRPC's default refuses at random
            # Clients ask whether we are still there, also between calls; gRPC's default takes that for an attack.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 2_000),
        ]
        router = _Router(self._apps)
        main = aio.server(interceptors=[router], options=[*options, ("grpc.max_connection_age_ms", 600_000)])
        ops = aio.server(options=options)
        names = [mount.descriptor.full_name for app, _ in self._apps for mount in app.mounts]
        for app, _ in self._apps:
            for mount in app.mounts:
                mount.add_to_server(mount.servicer, _ByName(main))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, ops)  # type: ignore[no-untyped-call]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME, "grpc.health.v1.Health"], ops)  # type: ignore[no-untyped-call]
        self.port = self._bind(main, "listen", server_credentials(self._tls))
        self.ops_port = self._bind(ops, "ops_listen", None)
        self._servers = [main, ops]
        await main.start()
        await ops.start()
        for name in ["", *names]:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Says NOT_SERVING first, lets calls in flight end, then closes."""
        await self._health.enter_graceful_shutdown()
        await asyncio.gather(*(server.stop(self._settings.drain) for server in self._servers))

    def _bind(self, server: aio.Server, name: str, credentials: Any) -> int:
        address = getattr(self._settings, name)
        try:
            if credentials is not None:
                return server.add_secure_port(address, credentials)
            _require_private(name, address)
            return server.add_insecure_port(address)
        except RuntimeError:
            raise SettingsError(f"{name}: {address} cannot be bound (is it in use?)") from None


def _require_private(name: str, address: str) -> None:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback):
        return
    raise SettingsError(f"{name}: the ops port has no credentials and must be on loopback, not {host}")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _ByName:
    """Takes the handlers of a service as what is looked up by name. A method that is registered has a task of its own,
    and the loop of gRPC looks at every such task for each call: with all services in one process a tenth of a
    millisecond."""

    def __init__(self, server: aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, _service: str, _handlers: Any) -> None:
        """The same handlers once more: generated code hands in both."""


class _Router(aio.ServerInterceptor):
    """Sends each method through the layers of the application that owns it."""

    def __init__(self, apps: Sequence[tuple[App, LayeredInterceptor]]) -> None:
        self._by_service = {
            mount.descriptor.full_name: interceptor for app, interceptor in apps for mount in app.mounts
        }

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        service = handler_call_details.method.rpartition("/")[0].lstrip("/")
        interceptor = self._by_service.get(service)
        if interceptor is None:
            return await continuation(handler_call_details)
        return await interceptor.intercept_service(continuation, handler_call_details)
