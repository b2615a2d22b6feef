"""What a user presents, by kind."""

from __future__ import annotations

import re

from hauberk.auth.v1 import auth_service_pb2 as auth

PREFIX = "hbk"
_LONGEST_KEY, _LONGEST_TOKEN = 256, 8192
# Printable ASCII without a blank: keys that were imported from elsewhere have no other shape.
_VALUE = re.compile(r"[!-~]+")


def api_key(value: str) -> auth.Credential:
    """An API key."""
    return auth.Credential(api_key=value)


def jwt(value: str) -> auth.Credential:
    """A token of one of the organisation's own issuers."""
    return auth.Credential(jwt=value)


def session(value: str) -> auth.Credential:
    """A session that auth made."""
    return auth.Credential(session=value)


def context_token(value: str) -> auth.Credential:
    """A context token of another brand of the same organisation."""
    return auth.Credential(context_token=value)


def bearer(value: str, prefix: str = PREFIX) -> auth.Credential | None:
    """A bearer token as the kind that it looks like, which proves nothing; None for what can be no credential.

    `prefix` is that of the deployment's keys (`api_key_prefix` of auth).
    """
    if _VALUE.fullmatch(value) is None:
        return None
    if value.startswith("eyJ") and value.count(".") == 2:
        return jwt(value) if len(value) <= _LONGEST_TOKEN else None
    if len(value) > _LONGEST_KEY:
        return None
    return session(value) if value.startswith(f"{prefix}s_") else api_key(value)
