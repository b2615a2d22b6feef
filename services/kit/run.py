"""Runs one service as a process of its own: `python -m services.<name>`, `hauberk serve <name>`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc

from services.kit import channels, logs
from services.kit.audit import SpooledTrail
from services.kit.certs import refuse_development
from services.kit.channels import Client
from services.kit.clock import SystemClock
from services.kit.dropped import reporting
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.jwks import PeerKeys
from services.kit.keys import KeyMissingError, KeyRing
from services.kit.revocation_feed import FeedClient
from services.kit.server import App, Server, Wiring, interceptor_of
from services.kit.settings import ServiceSettings, SettingsError
from services.kit.telemetry.tracing import Tracing
from services.kit.tls import TlsFiles
from services.kit.txn_token import TokenVerifier

S = TypeVar("S", bound=ServiceSettings)
Build = Callable[[S, Wiring], Awaitable[App]]


def main(settings_type: type[S], build: Build[S]) -> int:
    """Serves until SIGTERM or SIGINT; a start-up error is one plain line and exit status 2."""
    try:
        asyncio.run(serve(settings_type.load(), build))
    except (SettingsError, KeyMissingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def settle_heap() -> None:
    """What was made to serve stays as long as the process: the collector need not look through it ever again. A full
    collection stops every request, and took 130 ms with the models of all services in one process."""
    gc.collect()
    gc.freeze()


async def serve(settings: S, build: Build[S]) -> None:
    """Builds the application, serves it, and closes everything in the reverse order."""
    stop = stop_request()
    async with AsyncExitStack() as stack:
        logs.setup("hauberk", settings.log_level)  # what is logged while the application is built goes the same way
        tls = TlsFiles.of(settings)
        refuse_development(settings, tls)
        trail = SpooledTrail(settings.audit_spool) if settings.audit_spool else None
        wiring = Wiring(KeyRing(settings.key_folder), dialer(settings, tls), SystemClock(), stack, trail)
        app = await build(settings, wiring)
        if trail:
            connect_trail(trail, app, settings, wiring)
        logs.setup(app.name, settings.log_level)
        await stack.enter_async_context(reporting(trail, app.name, wiring.clock))
        tracing = Tracing.to(settings.otlp_endpoint, settings.trace_ratio)
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        keys = PeerKeys(
            lambda: fetch_jwks(own_channel(app, settings) if app.name == "auth" else wiring.channel("auth"))
        )
        verifier = verifier_of(keys, settings)
        feed = FeedClient(lambda: wiring.channel("auth"))
        interceptor = interceptor_of(app, settings, verifier, tracing, trail, feed.guard)
        server = Server(settings, [(app, interceptor)], tls)
        await server.start()
        stack.push_async_callback(server.stop)
        beside = [*believing(app, keys, verifier, feed), *([trail.ship] if trail else [])]
        await run_background(stack, app, *beside)
        settle_heap()
        logs.logger().info("process.serving", port=server.port, ops_port=server.ops_port)
        await stop.wait()


def believing(
    app: App, keys: PeerKeys, verifier: TokenVerifier, feed: FeedClient
) -> list[Callable[[], Awaitable[None]]]:
    """The work beside the requests of who believes tokens: key set and feed of revocations. The gateway believes none,
    and auth reads the feed where it is written."""
    if app.name == "gateway":
        return []
    (app.guard or feed.guard).drops(verifier.forget, *app.caches)
    return [keys.keep_fresh, *([] if app.guard else feed.beside)]


def verifier_of(keys: PeerKeys, settings: ServiceSettings) -> TokenVerifier:
    """The verifier of this trust domain's transaction tokens."""
    return TokenVerifier(keys, issuer=issuer_of(settings), audience=settings.trust_domain, clock=SystemClock())


def issuer_of(settings: ServiceSettings) -> str:
    """Who mints transaction tokens in this trust domain."""
    return f"https://auth.{settings.trust_domain}"


def dialer(settings: ServiceSettings, tls: TlsFiles) -> Callable[[str], aio.Channel]:
    """Channels to peers by kind, made once each."""
    made: dict[str, aio.Channel] = {}

    def dial(kind: str) -> aio.Channel:
        if kind not in made:
            address = settings.peers.get(kind)
            if not address:
                raise SettingsError(f"peers.{kind}: the address of {kind} is required")
            made[kind] = channels.connect(address, kind, tls)
        return made[kind]

    return dial


def connect_trail(trail: SpooledTrail, app: App, settings: ServiceSettings, wiring: Wiring) -> None:
    """Leads the trail to the audit service, which may be this one. Its end comes when no call is served any more and
    the stores are still open."""
    channel = own_channel(app, settings) if app.name == "audit" else wiring.channel("audit")
    trail.connect(app.name, channel)
    wiring.stack.push_async_callback(trail.close)


def own_channel(app: App, settings: ServiceSettings) -> InProcessChannel:
    """A channel of the application to itself (auth reads its own public keys like everybody else)."""
    server = InProcessServer(interceptor_of(app, settings, None))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    return InProcessChannel(server, f"spiffe://{settings.trust_domain}/{app.name}")


async def fetch_jwks(channel: Any) -> str:
    """Auth's public keys as JSON text."""
    stub = auth_grpc.AuthServiceStub(channel)
    answer = await Client("auth").call(stub.GetJwks, auth_pb.GetJwksRequest(), at_most=2.0, name="auth.GetJwks")
    return str(answer.jwks)


async def run_background(stack: AsyncExitStack, app: App, *more: Callable[[], Awaitable[None]]) -> None:
    """Starts the work beside the requests; it ends with the stack."""
    for work in (*app.background, *more):
        task = asyncio.ensure_future(work())
        stack.push_async_callback(_end, task)


async def _end(task: asyncio.Future[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def stop_request() -> asyncio.Event:
    """Set on SIGTERM or SIGINT; taken before anything is started, so that a start is never cut in half."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
