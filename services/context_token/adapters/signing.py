"""RS256 over the key port.

Signed in threads: a signature takes 0.2 ms, in which the library lets the interpreter go. One more costs little there,
while a burst of them on the event loop would make everybody wait for all of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import RSAAlgorithm

from services.context_token.policy.causes import Cause
from services.context_token.policy.shape import ALGORITHM, TYP, Candidate
from services.kit.keys import CTX_SIGNING, Derived, KeyMissingError, KeyPort, VersionedSecret
from services.kit.telemetry import span

KID_PREFIX = "ctx-"  # never the name of a key of the other kind of token
_LEAST_BITS = 2048
_THREADS = 2


@dataclass(frozen=True)
class _Signing:
    """The active version, ready to sign, and the public key of every version."""

    kid: str
    key: RSAPrivateKey
    public: Mapping[str, RSAPublicKey]
    jwks: str


class KeySigner:
    """`services.context_token.ports.Signer`; raises KeyMissingError when made without proper keys."""

    def __init__(self, keys: KeyPort) -> None:
        self._signing = Derived(keys, CTX_SIGNING, _signing)
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])
        self._threads = ThreadPoolExecutor(_THREADS, "context-sign")

    def close(self) -> None:
        """Ends the threads once they have nothing left to sign."""
        self._threads.shutdown(wait=False)

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """With the active version."""
        with span("context sign"):
            own = self._signing()
            headers = {"typ": TYP, "kid": own.kid}
            sign = partial(jwt.encode, dict(claims), own.key, algorithm=ALGORITHM, headers=headers)
            return await asyncio.get_running_loop().run_in_executor(self._threads, sign)

    def verify(self, token: str, candidate: Candidate) -> Cause:
        """The algorithm is ours, whatever the header says."""
        key = self._signing().public.get(candidate.kid)
        if key is None:
            return Cause.UNKNOWN_KEY
        try:
            with span("context verify"):
                self._jws.decode_complete(token, key, algorithms=[ALGORITHM])
        except (jwt.PyJWTError, ValueError, TypeError):
            return Cause.SIGNATURE
        return Cause.NONE

    def jwks(self) -> str:
        """Made once for each set of versions."""
        return self._signing().jwks


def _signing(versions: Sequence[VersionedSecret]) -> _Signing:
    parsed = {KID_PREFIX + version.kid: _private_key(version) for version in versions}
    public = {kid: key.public_key() for kid, key in parsed.items()}
    active = KID_PREFIX + versions[0].kid
    jwks = json.dumps({"keys": [_public(kid, key) for kid, key in parsed.items()]})
    return _Signing(active, parsed[active], public, jwks)


def _private_key(version: VersionedSecret) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(version.value, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
        raise KeyMissingError(f"key {CTX_SIGNING}: version {version.kid} is not an RSA private key in PEM, 2048 bits")
    return key


def _public(kid: str, key: RSAPrivateKey) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": ALGORITHM}
