"""Header fields of a request as Envoy shows them, and which of a client's must never be believed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PREFIX = "x-hauberk-"
"""Fields that say who is asking: ours alone to write."""
OURS = frozenset({"txn-token"})
# Read once or not at all: of two, a product behind may believe the other one. A proxy that joins two of them puts a
# comma between.
ALONE = frozenset({"authorization", "x-api-key", "host", "origin", "traceparent"})
SINGLE = ALONE | {"user-agent"}
PARTIAL_BODY = "x-envoy-auth-partial-body"
_SEPARATORS = re.compile(r"[^a-z0-9]")
_VISIBLE = re.compile(r"[\x20-\x7e]*")


class HeadersError(ValueError):
    """The fields cannot be read in one way alone: the request is refused."""


def folded(name: str) -> str:
    """A name as the most careless reader behind may see it: case gone, every separator alike."""
    return _SEPARATORS.sub("-", name.lower())


@dataclass(frozen=True, slots=True)
class Headers:
    """Fields by lower-case name; `claimed` are the names, as sent, of those that only we may write."""

    fields: Mapping[str, str]
    claimed: tuple[str, ...]

    def get(self, name: str) -> str:
        """The value; empty when there is none."""
        return self.fields.get(name, "")


def read(pairs: Iterable[tuple[str, str | bytes]]) -> Headers:
    """Raises HeadersError when a field that counts is there twice, is spelled as not everybody reads it, or no text."""
    found: dict[str, str] = {}
    claimed: dict[str, None] = {}
    for name, raw in pairs:
        plain = name.lower()
        if plain.startswith(":"):
            continue
        fold = folded(plain)
        if fold.startswith(PREFIX) or fold in OURS:
            claimed[name] = None
            continue
        counts = fold in SINGLE or fold == "cookie"
        if counts and (plain != fold or (plain in found and plain != "cookie")):
            raise HeadersError(fold)
        value = _text(raw, fold if counts else "")
        found[plain] = f"{found[plain]}{'; ' if plain == 'cookie' else ','}{value}" if plain in found else value
    return Headers(found, tuple(claimed))


def whole(headers: Headers) -> Headers:
    """Raises HeadersError for a request whose body Envoy shows only the beginning of: who configures that wants the
    body looked at, and the rest of it nobody would have seen."""
    if headers.get(PARTIAL_BODY).lower() == "true":
        raise HeadersError(PARTIAL_BODY)
    return headers


def _text(raw: str | bytes, counts: str) -> str:
    text = raw if isinstance(raw, str) else raw.decode("latin-1")
    if counts and (not _VISIBLE.fullmatch(text) or (counts in ALONE and "," in text)):
        raise HeadersError(counts)
    return text


def without_cookie(header: str, names: Sequence[str]) -> str:
    """A Cookie field without those cookies; empty when none is left."""
    kept = (part.strip() for part in header.split(";"))
    return "; ".join(part for part in kept if part and part.partition("=")[0].strip() not in names)


def cookies(header: str, name: str) -> list[str]:
    """Every value that a cookie of this name has."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name]


def host_name(host: str) -> str:
    """The name in a Host field, without its port."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")
