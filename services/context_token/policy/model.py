"""The claims of a context token, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.kit.caller import Epochs
from services.kit.epochs import epoch_claims

_NAME = re.compile(r"[a-z][a-z0-9-]{1,62}")
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_JTI = re.compile(r"[0-9A-Za-z]{22}")
_HANDLE = re.compile(r"[A-Za-z0-9_-]{43}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SCOPES = re.compile(r"(?:[a-z._]{1,64}(?: [a-z._]{1,64}){0,63})?")
_KEY = re.compile(r"(?:key_[0-9A-Za-z]{16,32})?")
_SESSION = re.compile(r"(?:ses_[0-9A-Za-z]{16,32})?")
_ORIGIN = re.compile(r"(?:[0-9A-Za-z]{22})?")
_AUDIENCE = re.compile(r"[a-z0-9:/.-]{1,512}")
_SHORT = re.compile(r"[\x21-\x7e]{1,128}")
_LATEST = 10**11


@dataclass(frozen=True, slots=True)
class Grant:
    """Everything that a context token says (times are unix seconds)."""

    issuer: str
    audience: str
    organisation: str
    subject: str
    source_brand: str
    scopes: frozenset[str]
    issued_at: int
    not_before: int
    expires_at: int
    token_id: str
    txn: str
    workload: str
    handle: str
    digest: str
    epochs: Epochs
    single_use: bool
    key_id: str = ""
    session_id: str = ""
    origin_token_id: str = ""


def audience(brand: str, organisation: str, trust_domain: str) -> str:
    """The exact audience of one brand. Neither name holds a dot, so no two brands share one."""
    return f"https://{brand}.{organisation}.brands.{trust_domain}"


def brand_of(grant: Grant, trust_domain: str) -> str:
    """The brand that the audience names within the grant's own organisation; empty when it names none."""
    brand = grant.audience.removeprefix("https://").partition(".")[0]
    own = _NAME.fullmatch(brand) and grant.audience == audience(brand, grant.organisation, trust_domain)
    return brand if own else ""


def claims_of(grant: Grant) -> dict[str, Any]:
    """What is signed."""
    return {
        "iss": grant.issuer,
        "aud": grant.audience,
        "tenant": grant.organisation,
        "sub": grant.subject,
        "brand": grant.source_brand,
        "scope": " ".join(sorted(grant.scopes)),
        "iat": grant.issued_at,
        "nbf": grant.not_before,
        "exp": grant.expires_at,
        "jti": grant.token_id,
        "txn": grant.txn,
        "req_wl": grant.workload,
        "ctx": grant.handle,
        "ctx_h": grant.digest,
        "ep": epoch_claims(grant.epochs),
        "su": grant.single_use,
        "cid": grant.key_id,
        **({"sid": grant.session_id} if grant.session_id else {}),
        **({"oti": grant.origin_token_id} if grant.origin_token_id else {}),
    }


def grant_of(claims: Mapping[str, Any]) -> Grant | None:
    """What claims say; None when one is missing or not of the form that we sign."""
    try:
        epochs = claims["ep"]
        return Grant(
            issuer=_text(claims["iss"], _SHORT),
            audience=_text(claims["aud"], _AUDIENCE),
            organisation=_text(claims["tenant"], _NAME),
            subject=_text(claims["sub"], _SUBJECT),
            source_brand=_text(claims["brand"], _NAME),
            scopes=frozenset(_text(claims["scope"], _SCOPES).split()),
            issued_at=_number(claims["iat"]),
            not_before=_number(claims["nbf"]),
            expires_at=_number(claims["exp"]),
            token_id=_text(claims["jti"], _JTI),
            txn=_text(claims["txn"], _SHORT),
            workload=_text(claims["req_wl"], _SHORT),
            handle=_text(claims["ctx"], _HANDLE),
            digest=_text(claims["ctx_h"], _HASH),
            # An epoch that is not named never rose.
            epochs=Epochs(*(_number(epochs.get(name, 0)) for name in "uobkst")),
            single_use=_flag(claims["su"]),
            key_id=_text(claims.get("cid", ""), _KEY),
            session_id=_text(claims.get("sid", ""), _SESSION),
            origin_token_id=_text(claims.get("oti", ""), _ORIGIN),
        )
    except (KeyError, ValueError, AttributeError):
        return None


def _text(value: object, form: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LATEST:
        raise ValueError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - one answer for every malformed claim
    return value
