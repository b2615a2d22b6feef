"""The keys that auth alone holds: token signing, proofs of an organisation, the pepper of API keys."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from services.auth.ports import Digest
from services.kit import org_proof
from services.kit.keys import (
    API_KEY_PEPPER,
    ORG_MAC,
    TXN_SIGNING,
    Derived,
    KeyMissingError,
    KeyPort,
    VersionedSecret,
)
from services.kit.txn_token import ALGORITHM, TYP


@dataclass(frozen=True)
class _Signing:
    """The active version, ready to sign, and every public key: one that does not sign yet is published already."""

    key: ec.EllipticCurvePrivateKey
    header: dict[str, str]
    jwks: str


class KeySigner:
    """`services.auth.ports.Signer` over the key port; raises KeyMissingError when made without proper keys."""

    def __init__(self, keys: KeyPort) -> None:
        self._signing = Derived(keys, TXN_SIGNING, _signing)
        self._mac = Derived(keys, ORG_MAC, _mac)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """With the active version."""
        signing = self._signing()
        return jwt.encode(dict(claims), signing.key, algorithm=ALGORITHM, headers=signing.header)

    def prove(self, organisation: str, expires_at: float) -> str:
        """See `services.kit.org_proof`."""
        mac = self._mac()
        return org_proof.mint(organisation, expires_at, mac.kid, mac.value)

    def jwks(self) -> str:
        """Made once for each set of versions."""
        return self._signing().jwks


class KeyPepper:
    """`services.auth.ports.Pepper` over the key port."""

    def __init__(self, keys: KeyPort) -> None:
        self._versions = Derived(keys, API_KEY_PEPPER, tuple)

    def digest(self, key: str) -> Digest:
        """With the active version."""
        active = self._versions()[0]
        return Digest(active.kid, _hmac(active, key))

    def all_digests(self, key: str) -> tuple[Digest, ...]:
        """Always the same amount of work, whichever version the key was kept with."""
        return tuple(Digest(version.kid, _hmac(version, key)) for version in self._versions())


def _signing(versions: Sequence[VersionedSecret]) -> _Signing:
    parsed = [(version.kid, _private_key(version)) for version in versions]
    kid, key = parsed[0]
    jwks = json.dumps({"keys": [_public(name, each) for name, each in parsed]})
    return _Signing(key, {"typ": TYP, "kid": kid}, jwks)


def _mac(versions: Sequence[VersionedSecret]) -> VersionedSecret:
    for version in versions:
        try:
            org_proof.pads(version.value)
        except ValueError:
            raise KeyMissingError(f"key {ORG_MAC}: version {version.kid} has fewer than 32 bytes") from None
    return versions[0]


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
