"""Why a credential was refused. Precise inside (logs, audit); outside every cause of one group looks the same."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """The precise cause; the zero value is a refusal."""

    UNSPECIFIED = "unspecified"
    NONE = "none"
    KIND_NOT_SERVED = "kind_not_served"
    # API keys
    KEY_MALFORMED = "key_malformed"
    KEY_CHECKSUM = "key_checksum"
    KEY_WRONG_ENVIRONMENT = "key_wrong_environment"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    KEY_GRACE_ENDED = "key_grace_ended"
    # Tokens of an issuer
    JWT_OVERSIZE = "jwt_oversize"
    JWT_MALFORMED = "jwt_malformed"
    JWT_TYPE = "jwt_type"
    JWT_ALGORITHM = "jwt_algorithm"
    JWT_HEADER = "jwt_header"
    JWT_KID = "jwt_kid"
    JWT_ISSUER = "jwt_issuer"
    JWT_UNKNOWN_KEY = "jwt_unknown_key"
    JWT_SIGNATURE = "jwt_signature"
    JWT_CLAIMS = "jwt_claims"
    JWT_AUDIENCE = "jwt_audience"
    JWT_NOT_YET_VALID = "jwt_not_yet_valid"
    JWT_EXPIRED = "jwt_expired"
    JWT_LIFETIME = "jwt_lifetime"
    JWT_SUBJECT = "jwt_subject"
    JWT_ORGANISATION = "jwt_organisation"
    # Context tokens; the precise cause is in the log of the service that redeems them
    CONTEXT_REFUSED = "context_refused"
    # Any of them
    EPOCH_OVERTAKEN = "epoch_overtaken"
    WRONG_BRAND = "wrong_brand"
    NOT_A_MEMBER = "not_a_member"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    # Admissions
    ADMISSION_UNKNOWN = "admission_unknown"
    ADMISSION_FOREIGN = "admission_foreign"
    ADMISSION_EXPIRED = "admission_expired"
