"""Signatures of checkpoints: ECDSA on P-256 over SHA-256, with a key that the database never sees."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.audit.policy import Signature, Signed
from services.kit.key_kinds import CHECKPOINT
from services.kit.keys import Derived, KeyMissingError, KeyPort, VersionedSecret

_ALGORITHM = ec.ECDSA(SHA256())
_SIZE = 32


class CheckpointSigner:
    """Signs with the active version of the key port's `checkpoint`. Raises KeyMissingError when made without one."""

    def __init__(self, keys: KeyPort) -> None:
        self._keys = Derived(keys, CHECKPOINT, _loaded)

    def sign(self, statement: bytes) -> Signed:
        """The statement with its signature."""
        kid, key = self._keys()[0]
        return Signed(statement, kid, key.sign(statement, _ALGORITHM))

    def jwks(self) -> Mapping[str, Any]:
        """The public keys, to be kept where whoever verifies trusts them."""
        return {"keys": [_public(kid, key.public_key()) for kid, key in self._keys()]}

    def genuine(self, signed: Signed) -> bool:
        """Whether it was signed with any version that is still there."""
        return any(_holds(key.public_key(), signed) for kid, key in self._keys() if kid == signed.kid)


def trusting(jwks: Mapping[str, Any]) -> Signature:
    """Believes in the public keys of a key set. Raises ValueError when it is none."""
    try:
        keys = {str(each["kid"]): _key(each) for each in jwks["keys"]}
    except (KeyError, TypeError, ValueError):
        raise ValueError("not a set of public keys") from None

    def genuine(signed: Signed) -> bool:
        key = keys.get(signed.kid)
        return key is not None and _holds(key, signed)

    return genuine


def written(jwks: Mapping[str, Any]) -> str:
    """A key set as text."""
    return json.dumps(jwks, sort_keys=True, separators=(",", ":"))


def _loaded(versions: Sequence[VersionedSecret]) -> list[tuple[str, ec.EllipticCurvePrivateKey]]:
    found = []
    for version in versions:
        key = load_pem_private_key(version.value, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):  # the key port has checked the curve
            raise KeyMissingError("key checkpoint: not a P-256 private key")
        found.append((version.kid, key))
    return found


def _holds(key: ec.EllipticCurvePublicKey, signed: Signed) -> bool:
    try:
        key.verify(signed.signature, signed.statement, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def _public(kid: str, key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "kid": kid,
        "use": "sig",
        "alg": "ES256",
        "x": _text(numbers.x),
        "y": _text(numbers.y),
    }


def _key(body: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    if body["kty"] != "EC" or body["crv"] != "P-256":
        raise ValueError("not a P-256 key")
    return ec.EllipticCurvePublicNumbers(_number(body["x"]), _number(body["y"]), ec.SECP256R1()).public_key()


def _text(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(_SIZE, "big")).rstrip(b"=").decode("ascii")


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
