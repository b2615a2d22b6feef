"""What is known of each key by name: how it is made, what a usable value is, how long its users need an old version.

A name that is not listed may be used all the same; it is random bytes then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.kit.key_versions import KeyMissingError

TXN_SIGNING = "txn-signing"
ORG_MAC = "org-mac"
API_KEY_PEPPER = "api-key-pepper"
MAPPING_KEK = "mapping-kek"
ADMISSION = "admission"
CANARY = "canary"
CTX_SIGNING = "ctx-signing"
CTX_KEK = "ctx-kek"
CONTENT_KEK = "content-kek"
WEBHOOK_KEK = "webhook-kek"
EDGE_KEK = "edge-kek"
AUDIT_KEK = "audit-kek"
CHECKPOINT = "checkpoint"

LEAST_BYTES = 32
_LEAST_BITS = 2048
_PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True, slots=True)
class Kind:
    """`keep_seconds`: how long after its successor took over an old version may still be needed, by the longest that
    settings allow; `needed_for` says for what. None: by other things than time."""

    make: Callable[[], bytes]
    keep_seconds: float | None
    needed_for: str


def signing_key() -> bytes:
    """A new P-256 private key, PEM (PKCS 8)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PEM)


def rsa_key() -> bytes:
    """A new RSA-2048 private key, PEM (PKCS 8)."""
    return rsa.generate_private_key(65537, 2048).private_bytes(*_PEM)


def symmetric_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(LEAST_BYTES)


KINDS = {
    TXN_SIGNING: Kind(signing_key, 120.0, "transaction tokens"),
    ORG_MAC: Kind(symmetric_key, 120.0, "proofs of an organisation in transaction tokens"),
    API_KEY_PEPPER: Kind(symmetric_key, None, "API keys"),
    MAPPING_KEK: Kind(symmetric_key, 3600.0, "values that can still be restored"),
    ADMISSION: Kind(symmetric_key, 3600.0, "admissions"),
    CANARY: Kind(symmetric_key, 86_400.0, "canaries in conversations that go on"),
    CTX_SIGNING: Kind(rsa_key, 960.0, "context tokens"),
    CTX_KEK: Kind(symmetric_key, 960.0, "bodies of context tokens"),
    CONTENT_KEK: Kind(symmetric_key, None, "stored content"),
    WEBHOOK_KEK: Kind(symmetric_key, None, "secrets of webhooks that were not set again since"),
    EDGE_KEK: Kind(symmetric_key, None, "secrets of bot challenges that were not set again since"),
    AUDIT_KEK: Kind(symmetric_key, None, "personal fields of the audit trail"),
    CHECKPOINT: Kind(signing_key, None, "checkpoints of the audit trail, whose public key is kept as long as they are"),
}
_OTHER = Kind(symmetric_key, 86_400.0, "what it protects")


def kind_of(name: str) -> Kind:
    """What is known of a name."""
    return KINDS.get(name, _OTHER)


def check(name: str, value: bytes, where: str) -> None:
    """Raises KeyMissingError, naming `where`, when a value cannot serve as this key."""
    make = kind_of(name).make
    if make is symmetric_key:
        if len(value) < LEAST_BYTES:
            raise KeyMissingError(f"{where} has fewer than {LEAST_BYTES} bytes")
        return
    try:
        key = serialization.load_pem_private_key(value, None)
    except (ValueError, TypeError):
        raise KeyMissingError(f"{where} is not a private key in PEM") from None
    if make is signing_key and not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"):
        raise KeyMissingError(f"{where} is not a P-256 private key")
    if make is rsa_key and not (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_BITS):
        raise KeyMissingError(f"{where} is not an RSA private key of {_LEAST_BITS} bits")
