"""W3C trace context: which trace the calls of this task belong to, with or without a tracing library."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

_FORMAT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_parent: ContextVar[str] = ContextVar("hauberk_traceparent", default="")


def valid(traceparent: str) -> bool:
    """True for a header by the standard; nothing else is passed on."""
    found = _FORMAT.fullmatch(traceparent)
    if found is None or found[1] == "ff" or (found[1] == "00" and len(traceparent) != 55):
        return False
    return found[2] != "0" * 32 and found[3] != "0" * 16


@contextmanager
def trace(traceparent: str = "") -> Iterator[str]:
    """Calls made within belong to this trace, or to a new one when the header is missing or malformed; gives its id."""
    parent = traceparent if valid(traceparent) else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    token = _parent.set(parent)
    try:
        yield parent.split("-")[1]
    finally:
        with suppress(ValueError):  # a stream that was dropped is closed by another task
            _parent.reset(token)


def headers() -> dict[str, str]:
    """What the next call carries; empty outside of any trace."""
    parent = _parent.get()
    return {"traceparent": parent} if parent else {}
