"""A context token changed on the way: its claims, its signature, its algorithm."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from embedded.stack import Stack
from tests.attacks.handoff import handed, present
from tests.support.backend import Backend, allowed, said


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_no_change_is_accepted(target: Stack, backend: Backend) -> None:
    second = await backend.brand()
    token = await handed(backend, await backend.member(), second)
    head, body, signature = token.split(".")
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    stranger = rsa.generate_private_key(65537, 2048)
    public = stranger.public_key().public_numbers().n.to_bytes(256, "big")
    changed = {
        "longer life": f"{head}.{encoded(claims | {'exp': claims['exp'] + 9000})}.{signature}",
        "another user": f"{head}.{encoded(claims | {'sub': 'gus'})}.{signature}",
        "more scopes": f"{head}.{encoded(claims | {'scope': 'keys.manage'})}.{signature}",
        "last byte": token[:-2] + ("AA" if not token.endswith("AA") else "BB"),
        "no signature": f"{head}.{body}.",
        "alg none": f"{encoded(header | {'alg': 'none'})}.{body}.",
        "stranger's key": jwt.encode(claims, stranger, "RS256", headers=header),
        "HS256": jwt.encode(claims, public, "HS256", headers=header | {"alg": "HS256"}),
        "padded": token + "=",
        "doubled": f"{token}.{signature}",
    }
    for what, forged in changed.items():
        answer = await present(backend, forged, second)
        assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth", what
        assert not answer.context, what
    assert allowed(await present(backend, token, second)), "else the refusals would prove nothing"
