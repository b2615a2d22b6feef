"""Whose page a browser asks from. A cookie goes along whatever page asks; only some pages may change a thing."""

from __future__ import annotations

import re
from enum import Enum

from gateway.edge.headers import Headers, host_name

_ORIGIN = re.compile(r"(https?)://([A-Za-z0-9.\[\]:-]{1,255})")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Page(Enum):
    """What a browser says of the page that asks, for what a cookie may do there."""

    NOBODYS = "nobodys"
    ANOTHER = "another"  # good only where the brand itself lists its origin
    OWN = "own"


def page_of(headers: Headers, method: str, host: str) -> Page:
    """`host` is what was asked for, with its port where one is written. Reading is anybody's who has an origin or none:
    a page of another origin is not shown the answer.

    Browsers alone write `sec-fetch-site`, so a word there counts for more than a comparison of names.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site").lower()
    matched = _ORIGIN.fullmatch(origin)
    if origin and not matched:
        return Page.NOBODYS
    if method.upper() in _SAFE_METHODS or site == "same-origin":
        return Page.OWN
    if not matched:
        return Page.NOBODYS
    return Page.OWN if not site and _is_at(matched[1], matched[2], host) else Page.ANOTHER


def _is_at(scheme: str, name: str, host: str) -> bool:
    """Without TLS anybody on the way writes the page, so it is nobody's own, unless it never leaves the machine."""
    near = host_name(name) in _THIS_MACHINE or host_name(name).endswith(".localhost")
    usual = ":443" if scheme == "https" else ":80"
    return (scheme == "https" or near) and name.lower().removesuffix(usual) == host.lower().removesuffix(usual)


__all__ = ["Page", "page_of"]
