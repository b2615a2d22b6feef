"""The only links that a value may be filled into: plain https to a host on the list, past the host."""

from __future__ import annotations

import re

MOST = 2048
# What follows the host holds no bracket, quote, backslash or second "//": nothing in which another address could begin.
_PLAIN = re.compile(r"https://([A-Za-z0-9.\-]{1,253})(?::443)?[/?#](?!.*//)[A-Za-z0-9\-._~/?#&=%+,;:!@$*]*")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def is_host(name: str) -> bool:
    """True for a full host name in small letters: no port, no wildcard, no path."""
    return _HOST.fullmatch(name) is not None


def allowed(target: str, hosts: frozenset[str]) -> bool:
    """True when this beginning of a link can only ever lead to a host of the list."""
    if not hosts or len(target) > MOST:
        return False
    match = _PLAIN.fullmatch(target)
    return match is not None and match[1].lower() in hosts
