"""Bends a genuine transaction token."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ALGORITHM = "ES256"


class Forge:
    """`genuine` is the token as auth minted it."""

    def __init__(self, genuine: str, signing_key: bytes) -> None:
        self.genuine = genuine
        key = load_pem_private_key(signing_key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self.header: dict[str, Any] = jwt.get_unverified_header(genuine)
        self.claims: dict[str, Any] = jwt.decode(genuine, options={"verify_signature": False})

    def resigned(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """With auth's own key: nothing but what is changed is wrong with it."""
        return jwt.encode(self.claims | claims, self._key, ALGORITHM, headers=self.header | dict(header or {}))

    def of_another_key(self, **header: Any) -> str:
        """The same words under a key that is not auth's."""
        key = ec.generate_private_key(ec.SECP256R1())
        return jwt.encode(self.claims, key, ALGORITHM, headers=self.header | header)

    def edited(self, **claims: Any) -> str:
        """Other words under the genuine signature."""
        header, _, signature = self.genuine.split(".")
        return f"{header}.{_encoded(self.claims | claims)}.{signature}"

    def unsigned(self) -> str:
        """What a careless library accepts."""
        return f"{_encoded(self.header | {'alg': 'none'})}.{_encoded(self.claims)}."

    def signed_with_the_public_key(self) -> str:
        """Another careless library's mistake: the public key taken for a shared secret."""
        numbers = self._key.public_key().public_numbers()
        secret = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        return jwt.encode(self.claims, secret, "HS256", headers=self.header | {"alg": "HS256"})


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
