"""Settings of the HTTP edge."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from services.kit.settings import ServiceSettings

BrandName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}/[a-z][a-z0-9-]{1,62}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")]
Network = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?$")]
Action = Annotated[str, StringConstraints(pattern=r"^[a-z]+([._][a-z]+)*$")]
ResourceType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


@dataclass(frozen=True, slots=True)
class BrandAt:
    """The brand that a host stands for."""

    organisation: str
    brand: str


class EdgeSettings(ServiceSettings):
    """Beyond what every service knows. The workload's own certificate is for its peers."""

    listen: str = Field("127.0.0.1:8443", description="address of the HTTPS port")
    http_cert: Path | None = Field(None, description="certificate for clients, PEM; none = the workload's own")
    http_key: Path | None = Field(None, description="its private key, PEM, readable by its owner only")
    public_url: str = Field(
        "", pattern=r"^(https://[A-Za-z0-9.:\[\]-]{1,255})?$", description="as clients know this edge"
    )
    hosts: dict[Host, BrandName] = Field(
        default_factory=dict, description="organisation/brand of each host; a browser is answered at these alone"
    )
    trusted_proxies: tuple[Network, ...] = Field((), description="networks whose X-Forwarded-For is believed")
    body_limit: int = Field(1_048_576, ge=1024, le=16_777_216, description="bytes of the largest body")
    body_time: float = Field(10.0, gt=0, le=60, description="time that a body may take to arrive")
    calls_at_once: int = Field(256, ge=1, le=65_536, description="requests in flight; further ones get 503")
    api_key_prefix: str = Field("hbk", pattern="^[a-z]{2,8}$", description="of API keys, as auth has it")
    cookie: str = Field(
        "__Host-hauberk-session", pattern="^[A-Za-z0-9_-]{1,64}$", description="cookie that a session comes in"
    )
    authzen_types: dict[str, ResourceType] = Field(
        default_factory=dict, description="AuthZEN: resource type of the policies by type as asked"
    )
    authzen_actions: dict[str, Action] = Field(
        default_factory=dict,
        description="AuthZEN: action of the policies by name as asked, e.g. read, or with a property delete?soft=true",
    )

    def brand_of(self, host: str) -> BrandAt | None:
        """The brand of a host; None for any other host."""
        organisation, _, brand = self.hosts.get(host, "").partition("/")
        return BrandAt(organisation, brand) if brand else None

    def client_address(self, peer: str, forwarded: str) -> str:
        """The address of the client: the nearest one that is no proxy of ours."""
        networks = [ipaddress.ip_network(network, strict=False) for network in self.trusted_proxies]
        found = _address(peer)
        for hop in reversed(forwarded.split(",")):
            if not found or not any(ipaddress.ip_address(found) in network for network in networks):
                break
            found = _address(hop.strip()) or ""
        return found or _address(peer)


def _address(text: str) -> str:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
