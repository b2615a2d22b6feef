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
    KEY_NOT_YET_VALID = "key_not_yet_valid"
    KEY_ADDRESS = "key_address"
    KEY_WRONG_BRAND = "key_wrong_brand"
    KEY_NOT_IMPORTABLE = "key_not_importable"
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
    JWT_TOKEN_ID = "jwt_token_id"  # noqa: S105 - a cause, not a token
    JWT_ACR = "jwt_acr"
    JWT_AMR = "jwt_amr"
    JWT_AUTH_AGE = "jwt_auth_age"
    # Context tokens; the precise cause is in the log of the service that redeems them
    CONTEXT_REFUSED = "context_refused"
    # Sessions
    SESSION_MALFORMED = "session_malformed"
    SESSION_CHECKSUM = "session_checksum"
    SESSION_WRONG_ENVIRONMENT = "session_wrong_environment"
    SESSION_UNKNOWN = "session_unknown"
    SESSION_REVOKED = "session_revoked"
    SESSION_ROTATED = "session_rotated"
    SESSION_EXPIRED = "session_expired"
    SESSION_ADDRESS = "session_address"
    SESSION_WRONG_BRAND = "session_wrong_brand"
    SESSION_IDLE = "session_idle"
    SESSION_CREDENTIAL_ENDED = "session_credential_ended"
    SESSION_MUST_ROTATE = "session_must_rotate"
    # Any of them
    EPOCH_OVERTAKEN = "epoch_overtaken"
    HELD = "held"
    WRONG_BRAND = "wrong_brand"
    NOT_A_MEMBER = "not_a_member"
    NOT_PERMITTED = "not_permitted"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    # Admissions
    ADMISSION_UNKNOWN = "admission_unknown"
    ADMISSION_FOREIGN = "admission_foreign"
    ADMISSION_EXPIRED = "admission_expired"
