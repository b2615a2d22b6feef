"""A user's token that its issuer never signed so: unsigned, another key, another purpose, another life."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hauberk.auth.v1 import auth_service_pb2 as auth

from embedded.issuer import AUDIENCE, KID, issuer_of
from embedded.stack import Stack
from tests.support.backend import Backend, allowed, said


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    own = {"iss": issuer_of("acme"), "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60, "jti": "x" * 20}
    return own | other


WHICH = (
    "alg none",
    "stranger's key",
    "public key as a secret",
    "own key in the header",
    "critical extension",
    "unknown kid",
    "expired",
    "lives for ever",
    "not yet",
    "another audience",
    "several audiences",
    "another issuer",
    "transaction token's type",
    "context token's type",
)


def forged(stack: Stack) -> dict[str, str]:
    genuine = stack.layout.issuer_key.read_bytes()
    public = json.loads(stack.layout.issuer_jwks.read_text())["keys"][0]
    stranger = ec.generate_private_key(ec.SECP256R1())
    head = {"kid": KID, "typ": "JWT"}
    now = int(time.time())

    def signed(body: dict[str, Any], **header: Any) -> str:
        return jwt.encode(body, genuine, "ES256", headers=head | header)

    return {
        "alg none": jwt.encode(claims(), "", "none", headers=head),
        "stranger's key": jwt.encode(claims(), stranger, "ES256", headers=head),
        "public key as a secret": jwt.encode(claims(), (public["x"] + public["y"]).encode(), "HS256", headers=head),
        "own key in the header": jwt.encode(claims(), stranger, "ES256", headers=head | {"jwk": public}),
        "critical extension": signed(claims(), crit=["b64"], b64=False),
        "unknown kid": signed(claims(), kid="dev-9999"),
        "expired": signed(claims(iat=now - 120, exp=now - 60)),
        "lives for ever": signed(claims(exp=now + 10**8)),
        "not yet": signed(claims(nbf=now + 600)),
        "another audience": signed(claims(aud="https://elsewhere.example")),
        "several audiences": signed(claims(aud=[AUDIENCE, "https://elsewhere.example"])),
        "another issuer": signed(claims(iss="https://elsewhere.example")),
        "transaction token's type": signed(claims(), typ="txntoken+jwt"),
        "context token's type": signed(claims(), typ="ctx+jwt"),
    }


async def test_the_genuine_one_is_accepted(target: Stack, backend: Backend) -> None:
    key = target.layout.issuer_key.read_bytes()
    token = jwt.encode(claims(), key, "ES256", headers={"kid": KID, "typ": "JWT"})
    assert allowed(await backend.admit(auth.Credential(jwt=token)))


@pytest.mark.parametrize("which", WHICH)
async def test_it_is_not_accepted(target: Stack, backend: Backend, which: str) -> None:
    answer = await backend.admit(auth.Credential(jwt=forged(target)[which]))
    assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    assert not answer.admission


async def test_an_issuer_speaks_only_for_its_own_organisation(target: Stack, backend: Backend) -> None:
    key, head = target.layout.issuer_key.read_bytes(), {"kid": KID, "typ": "JWT"}
    wider = jwt.encode(claims(org="globex", tenant="globex", organisation="globex"), key, "ES256", headers=head)
    answer = await backend.authenticate(auth.Credential(jwt=wider))
    assert answer.principal.organisation == "acme"
    stranger = jwt.encode(claims(sub="nobody-ever"), key, "ES256", headers=head)
    assert not allowed(await backend.admit(auth.Credential(jwt=stranger)))
