"""An administrator of one brand, with a key that carries every scope an administrator may have."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth

from services.kit.keys import TXN_SIGNING, KeyRing
from tests.attacks.forge import Forge
from tests.support.backend import Backend, Metadata, fresh, proof

SCOPES = "knowledge.write resources.write"


async def limited_administrator(backend: Backend, brand: str) -> Metadata:
    """A member whose role is admin and whose one brand is `brand`; the scopes are on the token as on a key's."""
    credential = await backend.member(fresh("eve"), roles=["admin"], brands=[brand])
    answer: auth.AuthenticateResponse = await backend.authenticate(credential, brand)
    assert answer.txn_token
    forge = Forge(answer.txn_token, signing_key(backend))
    return proof(forge.resigned(scope=SCOPES))


def signing_key(backend: Backend) -> bytes:
    """Auth's own: the attacker holds more than an attacker should."""
    return KeyRing(backend.stack.layout.keys).secret(TXN_SIGNING).value
