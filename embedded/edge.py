"""The HTTP edge of the embedded stack: in this process, as a workload of its own, on a loopback port."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from embedded.layout import TRUST_DOMAIN, Layout
from embedded.seed import ORGANISATIONS
from services.kit import certs
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.telemetry.tracing import Tracing

HOSTS = {f"{own.brand}.localhost": f"{own.organisation}/{own.brand}" for own in ORGANISATIONS}
"""Each brand has a host; names below localhost lead to this machine everywhere."""


async def start(
    exits: AsyncExitStack,
    port: int,
    layout: Layout,
    servers: Mapping[str, InProcessServer],
    tracing: Tracing,
    **more: Any,
) -> str:
    """Serves until the exits are taken; the address. `more` are further settings. Raises SettingsError."""
    from gateway.http.bootstrap import WORKLOAD, build  # noqa: PLC0415 - its server is an extra of its own
    from gateway.http.server import EdgeServer  # noqa: PLC0415
    from gateway.http.settings import EdgeSettings  # noqa: PLC0415

    def channel(kind: str) -> InProcessChannel:
        return InProcessChannel(servers[kind], f"spiffe://{TRUST_DOMAIN}/{WORKLOAD}")

    settings = EdgeSettings.model_validate({"listen": f"127.0.0.1:{port}", "hosts": HOSTS, "drain": 1.0, **more})
    files = certs.issue(layout.tls, TRUST_DOMAIN, WORKLOAD, serves=["edge"], hosts=list(HOSTS))
    server = EdgeServer(build(settings, channel, tracing), settings, files.cert, files.key)
    await server.start()
    exits.push_async_callback(server.stop)
    return f"127.0.0.1:{server.port}"
