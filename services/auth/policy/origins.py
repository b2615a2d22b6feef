"""Origins of browsers: one spelling for each, compared as a whole. No wildcard, no suffix, never `null`."""

from __future__ import annotations

import ipaddress
import re

import idna

MAX_ORIGIN = 255
_PORTS = {"https": 443, "http": 80}
_SHAPE = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[^\s/?#@:\\\[\]*%]{1,253})(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


def canonical(text: str) -> str:
    """As a browser writes it: lower case, punycode, no default port; empty for whatever is no origin."""
    match = _SHAPE.fullmatch(text) if len(text) <= MAX_ORIGIN else None
    if match is None:
        return ""
    scheme = match["scheme"].lower()
    host = _host(match["host"])
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not host or not 0 < port <= 65_535 or (match["port"] or "").startswith("0"):
        return ""
    return f"{scheme}://{host}" if port == _PORTS[scheme] else f"{scheme}://{host}:{port}"


def presented(text: str) -> str:
    """The same for what a request brings: a browser sends ASCII, so anything else is no origin."""
    return canonical(text) if text.isascii() else ""


def is_secure(origin: str) -> bool:
    """Whether a canonical origin is https, or this machine itself."""
    scheme, _, rest = origin.partition("://")
    return scheme == "https" or rest.rpartition("]")[0] + "]" == "[::1]" or rest.partition(":")[0] in _LOOPBACK


def is_https(origin: str) -> bool:
    """Whether a canonical origin is https."""
    return origin.startswith("https://")


def hostname(text: str) -> str:
    """The one spelling of a host name; empty for whatever is none."""
    return _host(text) if len(text) <= 253 and not re.search(r"[\s/?#@:\\\[\]*%]", text) else ""


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        except ValueError:
            return ""
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    # A last label of digits makes browsers read the whole as an IPv4 address, in spellings of their own.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return ""
    return host
