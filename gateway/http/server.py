"""The HTTPS port: the application behind a socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import uvicorn

from gateway.http.app import EdgeApp
from gateway.http.settings import EdgeSettings
from services.kit.settings import SettingsError

_KEEP_ALIVE = 30
_HEAD_LIMIT = 32 * 1024


class EdgeServer:
    """`start`, then `stop`, which lets requests in flight end."""

    def __init__(self, app: EdgeApp, settings: EdgeSettings, cert: Path, key: Path) -> None:
        self._app = app
        self._settings = settings
        self._cert, self._key = cert, key
        self._server: uvicorn.Server | None = None
        self._loop: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Raises SettingsError when the address is taken or the certificate is of no use."""
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=self._settings.calls_at_once,
            h11_max_incomplete_event_size=_HEAD_LIMIT,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=max(1, round(self._settings.drain)),
        )
        config.load()
        config.ssl = self._context()
        listener = self._bound()
        self.port = listener.getsockname()[1]
        if not self._settings.public_url:
            self._app.base_url = f"https://{self._settings.listen.rpartition(':')[0]}:{self.port}"
        # Not `serve`, which takes the signals: they belong to the process, not to one of its ports.
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        self._server, self._loop = server, asyncio.create_task(server.main_loop())

    async def stop(self) -> None:
        """Closes the port first."""
        if self._server is not None and self._loop is not None:
            self._server.should_exit = True
            await self._loop
            await self._server.shutdown()

    def _bound(self) -> socket.socket:
        host, _, port = self._settings.listen.rpartition(":")
        # With its protocol named, asyncio sends each answer at once; else head and body are 40 ms apart.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), int(port)))
        except (OSError, ValueError, OverflowError):
            listener.close()
            raise SettingsError(f"listen: {self._settings.listen} cannot be bound (is it in use?)") from None
        return listener

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError):
            raise SettingsError("http_cert: certificate and key cannot be used together") from None
        return context
