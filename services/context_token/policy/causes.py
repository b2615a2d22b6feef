"""Why a context token was refused. Precise inside (logs, audit); outside every cause looks the same."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """The precise cause; the zero value is a refusal."""

    UNSPECIFIED = "unspecified"
    NONE = "none"
    # Before any cryptography
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    HEADER = "header"
    TYPE = "type"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    # The signature and what it covers
    SIGNATURE = "signature"
    CLAIMS = "claims"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    LIFETIME = "lifetime"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    # What the store knows
    GONE = "gone"
    REVOKED = "revoked"
    REPLAYED = "replayed"
    BODY_TAMPERED = "body_tampered"


class IssueCause(Enum):
    """Why no token was issued; the zero value is a refusal."""

    UNSPECIFIED = "unspecified"
    NONE = "none"
    OWN_BRAND = "own_brand"
    HANDED_OVER = "handed_over"
    NOT_PERMITTED = "not_permitted"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    TOO_MANY = "too_many"
