"""Networks that an API key may be used from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

MOST = 64
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network | None:
    """A network in its one canonical form: IPv4 in IPv6 clothes is IPv4. None for anything else, also for an address
    with bits beyond its prefix: that is a slip of the pen, and nobody knows of which kind."""
    if "%" in text:
        return None
    try:
        found = ipaddress.ip_network(text, strict=True)
    except ValueError:
        return None
    if not isinstance(found, ipaddress.IPv6Network):
        return found
    if found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & 0xFFFF_FFFF, found.prefixlen - 96))
    return found


def networks(texts: Sequence[str]) -> tuple[Network, ...] | int:
    """Every network once, in order; or the place of the first text that is none."""
    found: dict[Network, None] = {}
    for place, text in enumerate(texts):
        one = network(text)
        if one is None:
            return place
        found[one] = None
    return tuple(found)


def allowed(lists: Sequence[Network], address: str) -> bool:
    """Whether an address is in one of the networks. Without a list every one is; with one, an unknown one is not."""
    if not lists:
        return True
    try:
        ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in each for each in lists)
