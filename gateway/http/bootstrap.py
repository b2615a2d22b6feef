"""Builds the edge, and runs it as a process of its own: `hauberk serve edge`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from gateway.http.app import EdgeApp
from gateway.http.routes import WORKLOAD_KIND, public_routes
from gateway.http.server import EdgeServer
from gateway.http.settings import EdgeSettings
from services.kit import logs
from services.kit.certs import refuse_development
from services.kit.clock import SystemClock
from services.kit.dropped import reporting
from services.kit.run import dialer, settle_heap, stop_request
from services.kit.settings import SettingsError
from services.kit.telemetry.tracing import Tracing
from services.kit.tls import TlsFiles

NAME = "edge"
WORKLOAD = f"{WORKLOAD_KIND}/{NAME}"


def build(settings: EdgeSettings, channel: Callable[[str], Any], tracing: Tracing) -> EdgeApp:
    """The application over channels to its peers, as the workload `backend/edge`."""
    return EdgeApp(settings, public_routes(), channel, tracing.tracer(NAME))


async def serve(settings: EdgeSettings) -> None:
    """Serves until told to stop."""
    stop = stop_request()
    async with AsyncExitStack() as stack:
        tls = TlsFiles.of(settings)
        refuse_development(settings, tls)
        logs.setup(NAME, settings.log_level)
        # The edge is a backend and writes no trail: its log alone says so.
        await stack.enter_async_context(reporting(None, NAME, SystemClock()))
        tracing = Tracing.to(settings.otlp_endpoint, settings.trace_ratio)
        stack.push_async_callback(asyncio.to_thread, tracing.close)
        app = build(settings, dialer(settings, tls), tracing)
        server = EdgeServer(app, settings, settings.http_cert or tls.cert, settings.http_key or tls.key)
        await server.start()
        stack.push_async_callback(server.stop)
        settle_heap()
        logs.logger().info("process.serving", port=server.port, ops_port=0)
        await stop.wait()


def main() -> int:
    """A start-up error is one plain line and exit status 2."""
    try:
        asyncio.run(serve(EdgeSettings.load()))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
