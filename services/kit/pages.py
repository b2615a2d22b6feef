"""Page tokens: the last id shown, opaque to the caller. They select within what the caller may see anyway."""

from __future__ import annotations

import base64
import binascii

DEFAULT_SIZE = 50


class BadTokenError(ValueError):
    """Not a token of this list."""


def page_size(asked: int) -> int:
    """Rows of a page."""
    return asked or DEFAULT_SIZE


def encode(kind: str, last: str) -> str:
    """The token that continues after `last`."""
    return base64.urlsafe_b64encode(f"{kind}:{last}".encode()).decode().rstrip("=")


def decode(kind: str, token: str) -> str:
    """The id to continue after; empty for the first page. Raises BadTokenError."""
    if not token:
        return ""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise BadTokenError from None
    found, separator, last = text.partition(":")
    if found != kind or not separator or not last or encode(kind, last) != token:
        raise BadTokenError
    return last
