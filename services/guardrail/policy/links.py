"""Links and images that would carry data away: a target on a foreign host that holds a placeholder or encoded data."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator

from services.guardrail.policy.model import Edit

REMOVED = "#removed"
_PLACEHOLDER = r"<[A-Z][A-Z0-9_]{0,80}>"
_TARGET = re.compile(
    rf"(?:(?:https?|wss?|ftp):[/\\]{{0,4}}|(?<![:/\\\w])[/\\]{{2}})(?=[\w\[%])(?:{_PLACEHOLDER}|[^\s<>\"'`)\]])+",
    re.IGNORECASE,
)
# Markdown also takes `](<target with spaces>)`, and a target may break off where the text ends.
_BRACKETED = re.compile(rf"\]\(\s{{0,3}}<((?:{_PLACEHOLDER}|[^<>\n])*+)>?")
_SCRIPT = re.compile(r"(?:javascript|vbscript|data:text/html)\s{0,3}:[^\s)\"'>]*+", re.IGNORECASE)
_IMAGE = re.compile(
    r"!\[[^\]]{0,512}\]\(\s{0,3}<?$|<(?:img|iframe|source|video|audio|link|object|embed)\b[^>]{0,512}$", re.I
)
_HOLDS = re.compile(r"<[A-Z][A-Z0-9_]{0,80}>|%3C[A-Z][A-Z0-9_]{0,80}%3E|\{\{|\$\{|%7B%7B", re.IGNORECASE)
_BLOB = re.compile(r"[A-Za-z0-9+_-]{24,}={0,2}|(?:%[0-9A-Fa-f]{2}){6,}")
_HOST = re.compile(r"^(?:[a-z]+:)?[/\\]*([^/\\?#]*)", re.IGNORECASE)
_LOOK_BACK = 600


def find(text: str, hosts: frozenset[str]) -> Iterator[Edit]:
    """Targets that are taken out; links on allowed hosts stay as they are."""
    for match in _TARGET.finditer(text):
        if not _allowed(match[0], hosts) and _carries(match[0], image=_is_image(text, match.start())):
            yield Edit(match.start(), match.end(), REMOVED, "exfiltration.link")
    for match in _BRACKETED.finditer(text):
        target = match[1]
        if _TARGET.match(target) and not _allowed(target, hosts) and (" " in target or _carries(target, image=False)):
            yield Edit(match.start(1), match.end(1), REMOVED, "exfiltration.link")
    for match in _SCRIPT.finditer(text):
        yield Edit(match.start(), match.end(), REMOVED, "exfiltration.script")


def _is_image(text: str, start: int) -> bool:
    return _IMAGE.search(text[max(0, start - _LOOK_BACK) : start]) is not None


def _allowed(target: str, hosts: frozenset[str]) -> bool:
    found = _HOST.match(target)
    if found is None or "\\" in target:  # browsers read a backslash as a slash: no honest link has one
        return False
    place = urllib.parse.unquote(found[1]).rpartition("@")[2].casefold()
    host = place.partition(":")[0].rstrip(".")
    labels = host.split(".")
    parents = {"*." + ".".join(labels[first:]) for first in range(1, len(labels))}
    return host in hosts or not parents.isdisjoint(hosts)


def _carries(target: str, *, image: bool) -> bool:
    """An image is fetched without a click, so any query of it counts."""
    if _HOLDS.search(target) is not None:
        return True
    host = _HOST.match(target)
    place, rest = (host[1], target[host.end() :]) if host is not None else ("", target)
    if image and ("?" in rest or "#" in rest):
        return True
    query = rest.partition("?")[2]
    names = place.rpartition("@")[2].split(".")
    return _BLOB.search(rest) is not None or len(query) > 120 or any(len(name) > 40 for name in names) or "@" in place
