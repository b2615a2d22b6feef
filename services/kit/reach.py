"""Which network addresses what somebody named may lead to: key sets are fetched there, notices are sent there.

The address of an issuer is configuration, the answer of its name server is not: a name that suddenly leads to this
machine, to its neighbours or to the metadata service of a cloud is not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached beside public addresses: networks of one issuer, and loopback in development."""

    networks: tuple[Network, ...] = ()
    loopback: bool = False

    def allows(self, text: str) -> bool:
        """Whether one resolved address may be connected to."""
        try:
            address = _innermost(ipaddress.ip_address(text))
        except ValueError:
            return False
        if address.is_loopback:
            return self.loopback
        if any(address in network for network in self.networks):
            return True
        return address.is_global and not address.is_multicast and not address.is_reserved


PUBLIC = Reach()


def _innermost(address: Address) -> Address:
    """The address that a packet ends up at: an IPv6 form that carries an IPv4 address is judged by that one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.scope_id:
        raise ValueError("a zone")
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo:
        inner = address.teredo[1]
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address that the system knows for a name, in its order of preference. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
