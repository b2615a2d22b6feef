"""A development OIDC issuer: signs tokens of users, so that demo and replay have many of them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from embedded.layout import Layout
from services.kit.keys import write_private
from services.kit.provision import signing_key

ISSUER = "https://issuer.hauberk.local"
AUDIENCE = "https://api.hauberk.local"
KID = "dev-0001"


def ensure_issuer(layout: Layout) -> None:
    """Makes the issuer's key and its public key set."""
    if not layout.issuer_key.exists():
        write_private(layout.issuer_key, signing_key())
    key = serialization.load_pem_private_key(layout.issuer_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - made above
    public: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    layout.issuer_jwks.write_text(json.dumps({"keys": [{**public, "kid": KID, "use": "sig", "alg": "ES256"}]}))


def user_jwt(layout: Layout, user: str, organisation: str, ttl: int = 300) -> str:
    """A token that says: this user of this organisation signed in. `ttl` in seconds."""
    now = int(time.time())
    claims = {
        "iss": issuer_of(organisation),
        "aud": AUDIENCE,
        "sub": user,
        "iat": now,
        "exp": now + ttl,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, layout.issuer_key.read_bytes(), algorithm="ES256", headers={"kid": KID, "typ": "JWT"})


def issuer_of(organisation: str) -> str:
    """Each organisation has an issuer of its own: an issuer may speak only for the organisations it is bound to."""
    return f"{ISSUER}/{organisation}"
