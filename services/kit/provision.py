"""Makes the key files of a new installation; what exists is never touched."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.kit import keys

FIRST = "0001"  # kid of a key's first version; the greatest kid is the active one


def signing_key() -> bytes:
    """A new P-256 private key, PEM (PKCS 8)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def rsa_key() -> bytes:
    """A new RSA-2048 private key, PEM (PKCS 8)."""
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def symmetric_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


MAKERS: dict[str, Callable[[], bytes]] = {
    keys.TXN_SIGNING: signing_key,
    keys.ORG_MAC: symmetric_key,
    keys.API_KEY_PEPPER: symmetric_key,
    keys.MAPPING_KEK: symmetric_key,
    keys.ADMISSION: symmetric_key,
    keys.CANARY: symmetric_key,
    keys.CTX_SIGNING: rsa_key,
    keys.CTX_KEK: symmetric_key,
}


def ensure_keys(folder: Path) -> list[str]:
    """Makes each key that has no version yet; returns the names of those made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name, make in MAKERS.items():
        if not any(folder.glob(f"{name}.*.key")):
            keys.write_private(folder / f"{name}.{FIRST}.key", make())
            made.append(name)
    return made
