"""An issuer of an organisation, honest or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from services.auth.policy.jwt_shape import IssuerRules
from services.kit.errors import Unavailable

ISSUER = "https://login.acme.test"
AUDIENCE = "hauberk-acme"
RULES = IssuerRules(
    name="acme-login",
    issuer=ISSUER,
    audience=AUDIENCE,
    organisations=("acme",),
    algorithms=frozenset({"RS256"}),
    types=frozenset({"at+jwt", "jwt"}),
    scopes=frozenset({"chat"}),
)
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_at(now: float, **changes: Any) -> dict[str, Any]:
    """Claims of a good token; a change of None removes one."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": int(now), "exp": int(now) + 600} | changes
    return {name: value for name, value in claims.items() if value is not None}


def header(**changes: Any) -> dict[str, Any]:
    """The header of a good token; a change of None removes one."""
    found = {"typ": "at+jwt", "alg": "RS256", "kid": "k1"} | changes
    return {name: value for name, value in found.items() if value is not None}


def raw(head: bytes | Mapping[str, Any], body: bytes | Mapping[str, Any], key: rsa.RSAPrivateKey = RSA_KEY) -> str:
    """A token signed with RS256 over exactly these parts, whatever they say."""
    message = f"{encoded(head)}.{encoded(body)}"
    return f"{message}.{encoded(signed(message.encode(), key))}"


def signed(message: bytes, key: rsa.RSAPrivateKey = RSA_KEY) -> bytes:
    return RSAAlgorithm(RSAAlgorithm.SHA256).sign(message, key)


def hmac_with(secret: bytes, head: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """A token "signed" with HMAC over a public key, as in algorithm confusion."""

    message = f"{encoded(dict(head))}.{encoded(dict(body))}"
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def public_pem() -> bytes:
    return RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_der() -> bytes:
    return RSA_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwk(key: Any = RSA_KEY, **changes: Any) -> dict[str, Any]:
    public = key.public_key()
    made = RSAAlgorithm.to_jwk(public, as_dict=True) if isinstance(key, rsa.RSAPrivateKey) else None
    entry: dict[str, Any] = made or ECAlgorithm.to_jwk(public, as_dict=True)
    return {**entry, "kid": "k1", "use": "sig", **changes}


def key_set(*entries: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": list(entries)}).encode()


class FixedIssuerKeys:
    """Keys without a network, counting questions."""

    def __init__(self, keys: Mapping[str, Any] | None = None) -> None:
        self.keys = dict(keys if keys is not None else {"k1": RSA_KEY.public_key()})
        self.away = False
        self.asked = 0
        self.age = 1

    def generation(self) -> int | None:
        return None if self.away else self.age

    async def find(self, kid: str) -> Any | None:
        self.asked += 1
        if self.away:
            raise Unavailable("issuer_keys")
        return self.keys.get(kid)


def es256(body: Mapping[str, Any], **head: Any) -> str:
    return jwt.encode(dict(body), EC_KEY, "ES256", headers=header(alg="ES256", **head))
