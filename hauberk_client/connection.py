"""Mutual TLS to Hauberk's services, as one workload."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc import aio

INTERNAL_DOMAIN = "hauberk.internal"
MAX_MESSAGE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a workload: its certificate, its key, and the authorities that it trusts."""

    cert: Path
    key: Path
    ca: Path

    def credentials(self) -> grpc.ChannelCredentials:
        """What a channel shows and checks; a key that others may read is refused (PermissionError)."""
        if stat.S_IMODE(self.key.stat().st_mode) & 0o077:
            raise PermissionError(f"{self.key.name} is readable by others: chmod 600")
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), self.key.read_bytes(), self.cert.read_bytes())


class Connection:
    """Channels to the services, opened when first needed. Close it, or use it as `async with`."""

    def __init__(self, tls: Tls, addresses: str | Mapping[str, str]) -> None:
        """`addresses`: one for all services (the embedded stack), or by service: `{"gateway": "host:7443", ...}`."""
        self._tls = tls
        self._addresses = addresses
        self._channels: dict[str, aio.Channel] = {}

    @classmethod
    def of_folder(cls, folder: str | Path = ".hauberk", workload: str = "backend-demo") -> Self:
        """To the stack that `hauberk up` runs in the folder."""
        tls = Path(folder) / "tls"
        address = str(json.loads((Path(folder) / "stack.json").read_text())["address"])
        return cls(Tls(tls / f"{workload}.crt", tls / f"{workload}.pem", tls / "ca.crt"), address)

    def channel(self, service: str) -> aio.Channel:
        """The channel to `gateway`, `auth`, `tenancy` and so on; the peer must prove to be that service."""
        if service not in self._channels:
            address = self._addresses if isinstance(self._addresses, str) else self._addresses[service]
            options = [
                ("grpc.ssl_target_name_override", f"{service}.{INTERNAL_DOMAIN}"),
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                # A service that comes back is found within a second, not after gRPC's two minutes.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ]
            self._channels[service] = aio.secure_channel(address, self._tls.credentials(), options=options)
        return self._channels[service]

    async def close(self) -> None:
        """Ends every channel; calls in flight are cancelled."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
