"""The keys that auth alone holds: token signing, proofs of an organisation, the pepper of API keys."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from services.auth.ports import Digest
from services.kit import org_proof
from services.kit.keys import API_KEY_PEPPER, ORG_MAC, TXN_SIGNING, KeyMissingError, KeyPort, VersionedSecret
from services.kit.txn_token import ALGORITHM, TYP


class KeySigner:
    """`services.auth.ports.Signer` over the key port; raises KeyMissingError when made without proper keys."""

    def __init__(self, keys: KeyPort) -> None:
        versions = [(version.kid, _private_key(version)) for version in keys.versions(TXN_SIGNING)]
        self._kid, self._key = versions[0]
        self._header = {"typ": TYP, "kid": self._kid}
        self._jwks = json.dumps({"keys": [_public(kid, key) for kid, key in versions]})
        self._mac = keys.versions(ORG_MAC)[0]

    def sign(self, claims: Mapping[str, Any]) -> str:
        """With the active version."""
        return jwt.encode(dict(claims), self._key, algorithm=ALGORITHM, headers=self._header)

    def prove(self, organisation: str, expires_at: float) -> str:
        """See `services.kit.org_proof`."""
        return org_proof.mint(organisation, expires_at, self._mac.kid, self._mac.value)

    def jwks(self) -> str:
        """Made once."""
        return self._jwks


class KeyPepper:
    """`services.auth.ports.Pepper` over the key port."""

    def __init__(self, keys: KeyPort) -> None:
        self._versions = keys.versions(API_KEY_PEPPER)

    def digest(self, key: str) -> Digest:
        """With the active version."""
        active = self._versions[0]
        return Digest(active.kid, _hmac(active, key))

    def all_digests(self, key: str) -> tuple[bytes, ...]:
        """Always the same amount of work, whichever version the key was kept with."""
        return tuple(_hmac(version, key) for version in self._versions)


def _hmac(version: VersionedSecret, key: str) -> bytes:
    return hmac.digest(version.value, key.encode("utf-8", "replace"), "sha256")


def _private_key(version: VersionedSecret) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(version.value, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyMissingError(f"key {TXN_SIGNING}: version {version.kid} is not a P-256 private key in PEM")
    return key


def _public(kid: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": ALGORITHM}
