"""A client of a running stack: certificates, channels and credentials from its data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grpc import aio

from embedded import issuer
from embedded.errors import EmbeddedError
from embedded.layout import Layout, Running, read_running
from embedded.seed import ORGANISATIONS, Organisation
from services.kit import channels
from services.kit.tls import TlsFiles

BACKEND = "backend/demo"


@dataclass(frozen=True, slots=True)
class Seeded:
    """An organisation of the development stack, with its first API key."""

    organisation: str
    brand: str
    admin: str
    api_key: str


class Connection:
    """A way into a running stack."""

    def __init__(self, folder: Path, running: Running | None = None) -> None:
        """Raises EmbeddedError when no stack runs in the folder."""
        running = running or read_running(folder)
        if running is None:
            raise EmbeddedError(f"no stack is running in {folder}: start one with `hauberk up`")
        self.layout = Layout(folder)
        self.folder = self.layout.folder
        self.address = running.address
        self.ops_address = running.ops_address
        self.edge_address = running.edge_address
        self._channels: dict[tuple[str, str], aio.Channel] = {}

    def client(self, workload: str = BACKEND) -> TlsFiles:
        """Certificate and key of a workload."""
        return self.layout.certificate(workload)

    def channel(self, kind: str, workload: str = BACKEND) -> aio.Channel:
        """An mTLS channel to a service, as `workload`; one per pair."""
        if (kind, workload) not in self._channels:
            self._channels[kind, workload] = channels.connect(self.address, kind, self.client(workload))
        return self._channels[kind, workload]

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def user_jwt(self, user: str, organisation: str = "", ttl: int = 300) -> str:
        """A token of a user, signed by the development issuer; `ttl` in seconds."""
        return issuer.user_jwt(self.layout, user, organisation or self.organisation, ttl)

    def seeded(self, organisation: Organisation) -> Seeded:
        """An organisation with its first key, as kept in the folder."""
        path = self.layout.api_key_file(organisation.organisation)
        key = path.read_text().strip() if path.exists() else ""
        return Seeded(organisation.organisation, organisation.brand, organisation.admin, key)

    @property
    def main(self) -> Seeded:
        """The first organisation."""
        return self.seeded(ORGANISATIONS[0])

    @property
    def other(self) -> Seeded:
        """The second organisation, for what must not cross."""
        return self.seeded(ORGANISATIONS[1])

    @property
    def organisation(self) -> str:
        """Id of the first organisation."""
        return self.main.organisation

    @property
    def brand(self) -> str:
        """Brand of the first organisation."""
        return self.main.brand

    @property
    def admin(self) -> str:
        """Administrator of the first organisation."""
        return self.main.admin

    @property
    def api_key(self) -> str:
        """First API key of the first organisation."""
        return self.main.api_key
