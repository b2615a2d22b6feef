"""Which credential a request over HTTP presents. Proves nothing: auth does."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from hauberk.auth.v1 import auth_service_pb2 as auth

from gateway.edge.headers import Headers, HeadersError, cookies
from gateway.edge.pages import Page, page_of

_JWS = re.compile(r"[A-Za-z0-9_-]{1,2048}\.[A-Za-z0-9_-]{1,8000}\.[A-Za-z0-9_-]{0,2048}")
_OPAQUE = re.compile(r"[!-~]{1,256}")
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([!-~]+)")
CONTEXT_TYPE = "ctx+jwt"
FIELDS = ("authorization", "x-api-key")
"""Fields that a credential comes in, beside the cookie of a session."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """How credentials of this deployment look: the prefix of its keys and the cookie of its sessions."""

    prefix: str
    cookie: str


def presented(headers: Headers, method: str, shapes: Shapes) -> auth.Credential | None:
    """The one credential, from Authorization or x-api-key, else from the cookie; None when there is none that can be.

    Raises HeadersError when there are several: which of them would a product behind believe?
    """
    bearer, key = headers.get("authorization"), headers.get("x-api-key")
    if bearer and key:
        raise HeadersError("x-api-key")
    if key:
        return auth.Credential(api_key=key) if _OPAQUE.fullmatch(key) else None
    if bearer:
        matched = _BEARER.fullmatch(bearer)
        return of_bearer(matched[1], shapes.prefix) if matched else None
    return _of_cookie(headers, method, shapes.cookie)


def must_be_listed(headers: Headers, method: str, host: str) -> bool:
    """Whether a session comes by its cookie, for a change, from a page of another origin than what it asks for.

    Then only an origin that the brand lists is good. Auth lets every origin pass for a brand that lists none: enough
    for a credential that a page must have been given, not for one that comes along by itself.
    """
    return not any(headers.get(name) for name in FIELDS) and page_of(headers, method, host) is not Page.OWN


def of_bearer(value: str, prefix: str) -> auth.Credential | None:
    """By its shape; the verifier of each kind refuses what is not of that kind."""
    if _JWS.fullmatch(value):
        if len(value) > 8192:
            return None
        return auth.Credential(context_token=value) if _type_of(value) == CONTEXT_TYPE else auth.Credential(jwt=value)
    if not _OPAQUE.fullmatch(value):
        return None
    if value.startswith(f"{prefix}s_"):
        return auth.Credential(session=value)
    return auth.Credential(api_key=value)


def _of_cookie(headers: Headers, method: str, name: str) -> auth.Credential | None:
    values = cookies(headers.get("cookie"), name)
    if len(values) > 1:
        raise HeadersError("cookie")
    if not values or not _OPAQUE.fullmatch(values[0]):
        return None
    # A cookie goes along by itself: whatever changes something must say which page it comes from.
    if page_of(headers, method, "") is Page.NOBODYS:
        return None
    return auth.Credential(session=values[0])


def _type_of(token: str) -> str:
    head = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return ""
    kind = header.get("typ") if isinstance(header, dict) else ""
    return kind if isinstance(kind, str) else ""
