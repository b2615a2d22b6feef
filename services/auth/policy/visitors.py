"""Addresses with a history: how many credentials each brought lately that were refused."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

_REMEMBERED = 8192


def address_of(text: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 of an IPv6 one; unreadable ones are one together."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return "unreadable"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


class Failures:
    """Refused credentials by address, in this process; no store is asked, so a bad credential stays cheap to refuse.

    A window begins with the first failure and ends as a whole. The oldest address is forgotten when there are too many.
    """

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, address: str, now: float) -> int:
        """One more; how many there are now."""
        key = address_of(address)
        started, count = self._seen.pop(key, (now, 0))
        if not 0 <= now - started < self._window:
            started, count = now, 0
        self._seen[key] = (started, count + 1)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return count + 1

    def count(self, address: str, now: float) -> int:
        """How many there are."""
        started, count = self._seen.get(address_of(address), (now, 0))
        return count if 0 <= now - started < self._window else 0
