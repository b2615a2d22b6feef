"""Context handed from one brand to another, as a backend does it through the gateway."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from tests.support.backend import Backend, allowed, said

SECRET = b"order 4711, two left shoes"


async def handed(backend: Backend, credential: auth.Credential, to: str, *, single_use: bool = False) -> str:
    """A context token for the brand `to`."""
    handoff = pb.ContextHandoff(target_brand=to, body=SECRET, single_use=single_use)
    answer = await backend.admit(credential, "Please ask the other brand.", handoff=handoff)
    assert allowed(answer), said(answer)
    assert answer.context_token
    return str(answer.context_token)


async def present(backend: Backend, token: str, brand: str) -> pb.AdmitResponse:
    return await backend.admit(auth.Credential(context_token=token), "Go on.", brand=brand)
