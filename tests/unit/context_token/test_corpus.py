"""Every way to forge, bend or misuse a context token: each refused for its own reason, before the store is asked."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.context_token.policy.causes import Cause
from services.kit.caller import Caller
from services.kit.txn_token import claims_of
from tests.unit.context_token.fakes import (
    ORG,
    SIGNING,
    STRANGER,
    TARGET,
    Desk,
    altered,
    audience_of,
    encode,
    parts_of,
    signed,
)

Forge = Callable[[str], str]


def with_header(**changes: Any) -> Forge:
    def forge(token: str) -> str:
        header, claims = parts_of(token)
        merged = {**header, **changes}
        return signed({name: value for name, value in merged.items() if value is not None}, claims)

    return forge


def with_claims(**changes: Any) -> Forge:
    return lambda token: altered(token, **changes)


def later(**moves: int) -> Forge:
    """Moves times of the token by seconds."""

    def forge(token: str) -> str:
        _, claims = parts_of(token)
        return altered(token, **{name: claims[name] + seconds for name, seconds in moves.items()})

    return forge


def unsigned(token: str) -> str:
    _, claims, _ = token.split(".")
    return f"{encode(json.dumps({**parts_of(token)[0], 'alg': 'none'}))}.{claims}."


def keyed_with_the_public_key(token: str) -> str:
    public = load_pem_private_key(SIGNING, None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, claims = parts_of(token)
    text = f"{encode(json.dumps({**header, 'alg': 'HS256'}))}.{encode(json.dumps(claims))}"
    return f"{text}.{encode(hmac.digest(pem, text.encode(), hashlib.sha256))}"


def by_a_stranger(token: str) -> str:
    return signed(*parts_of(token), pem=STRANGER)


def tampered_signature(token: str) -> str:
    text, _, signature = token.rpartition(".")
    return f"{text}.{('B' if signature[0] == 'A' else 'A') + signature[1:]}"


def tampered_claims(token: str) -> str:
    header, _, signature = token.split(".")
    claims = {**parts_of(token)[1], "aud": audience_of("support")}
    return f"{header}.{encode(json.dumps(claims))}.{signature}"


def twice_in_the_header(token: str) -> str:
    header, claims = parts_of(token)
    return signed(json.dumps(header)[:-1] + ',"alg":"RS256"}', claims)


def twice_in_the_claims(token: str) -> str:
    header, claims = parts_of(token)
    return signed(header, json.dumps(claims)[:-1] + f',"aud":"{audience_of("support")}"}}')


def not_a_number(token: str) -> str:
    header, claims = parts_of(token)
    return signed(header, json.dumps({**claims, "exp": float("nan")}))


def transaction_token(token: str) -> str:
    caller = Caller(ORG, "ada", "shop", "txn-1", "backend/shop", "mac", 1_800_000_060)
    key = ec.generate_private_key(ec.SECP256R1())
    claims = claims_of(caller, issuer="https://auth.hauberk.local", audience="hauberk.local", jti="j", issued_at=1)
    return jwt.encode(claims, key, "ES256", headers={"typ": "txntoken+jwt", "kid": "ctx-1"})


TIMES = ("iat", "nbf", "exp")
NEEDED = (*TIMES, "iss", "aud", "tenant", "sub", "brand", "scope", "jti", "txn", "req_wl", "ctx", "ctx_h", "ep", "su")
CORPUS: dict[str, tuple[Forge, Cause]] = {
    "empty header": (lambda token: "." + token.partition(".")[2], Cause.MALFORMED),
    "two parts": (lambda token: token.rpartition(".")[0], Cause.MALFORMED),
    "four parts": (lambda token: token + ".AAAA", Cause.MALFORMED),
    "padding": (lambda token: token + "==", Cause.MALFORMED),
    "white space": (lambda token: token + "\n", Cause.MALFORMED),
    "other alphabet": (lambda token: token.replace(token[-1], "+"), Cause.MALFORMED),
    "spare bits": (lambda token: token[:-1] + chr(ord(token[-1]) + 1), Cause.MALFORMED),
    "oversize": (lambda token: token + "A" * 8192, Cause.OVERSIZE),
    "header twice": (twice_in_the_header, Cause.MALFORMED),
    "claims twice": (twice_in_the_claims, Cause.MALFORMED),
    "NaN": (not_a_number, Cause.MALFORMED),
    "deep": (lambda token: signed(parts_of(token)[0], "[" * 2000 + "]" * 2000), Cause.MALFORMED),
    "a list": (lambda token: signed(parts_of(token)[0], "[1]"), Cause.MALFORMED),
    "not JSON": (lambda token: f"{encode('x')}.{encode('{')}.{encode('x')}", Cause.MALFORMED),
    "jku": (with_header(jku="https://elsewhere.example/keys"), Cause.HEADER),
    "jwk": (with_header(jwk={"kty": "RSA"}), Cause.HEADER),
    "crit": (with_header(crit=["exp"]), Cause.HEADER),
    "no kid": (with_header(kid=None), Cause.HEADER),
    "typ JWT": (with_header(typ="JWT"), Cause.TYPE),
    "typ in capitals": (with_header(typ="CTX+JWT"), Cause.TYPE),
    "typ with prefix": (with_header(typ="application/ctx+jwt"), Cause.TYPE),
    "typ of the other kind": (with_header(typ="txntoken+jwt"), Cause.TYPE),
    "transaction token": (transaction_token, Cause.TYPE),
    "alg none": (unsigned, Cause.MALFORMED),
    "alg none, signed": (with_header(alg="none"), Cause.ALGORITHM),
    "alg HS256 with the public key": (keyed_with_the_public_key, Cause.ALGORITHM),
    "alg RS512": (with_header(alg="RS512"), Cause.ALGORITHM),
    "alg PS256": (with_header(alg="PS256"), Cause.ALGORITHM),
    "alg a list": (with_header(alg=["RS256"]), Cause.ALGORITHM),
    "unknown kid": (with_header(kid="ctx-2"), Cause.UNKNOWN_KEY),
    "kid a path": (with_header(kid="../../ctx-1"), Cause.UNKNOWN_KEY),
    "kid a number": (with_header(kid=1), Cause.UNKNOWN_KEY),
    "stranger's key": (by_a_stranger, Cause.SIGNATURE),
    "tampered signature": (tampered_signature, Cause.SIGNATURE),
    "tampered claims": (tampered_claims, Cause.SIGNATURE),
    "other issuer": (with_claims(iss="https://auth.hauberk.local"), Cause.ISSUER),
    "aud a list": (with_claims(aud=[audience_of(TARGET)]), Cause.CLAIMS),
    "aud a third brand": (with_claims(aud=audience_of("support")), Cause.AUDIENCE),
    "aud of another organisation": (with_claims(aud=audience_of(TARGET, "globex")), Cause.AUDIENCE),
    "tenant of another organisation": (with_claims(tenant="globex"), Cause.AUDIENCE),
    "aud with a slash": (with_claims(aud=audience_of(TARGET) + "/"), Cause.AUDIENCE),
    "aud elsewhere": (with_claims(aud=f"https://{TARGET}.{ORG}.brands.elsewhere.example"), Cause.AUDIENCE),
    "aud its own source": (with_claims(brand=TARGET), Cause.AUDIENCE),
    "expired": (later(iat=-900, nbf=-900, exp=-900), Cause.EXPIRED),
    "nbf to come": (later(nbf=60), Cause.NOT_YET_VALID),
    "iat to come": (later(iat=60), Cause.NOT_YET_VALID),
    "lives too long": (later(exp=1), Cause.LIFETIME),
    "ends before it begins": (later(exp=-901), Cause.LIFETIME),
    "exp a text": (with_claims(exp="1900000000"), Cause.CLAIMS),
    "exp a fraction": (with_claims(exp=1_900_000_000.5), Cause.CLAIMS),
    "exp beyond any clock": (with_claims(exp=10**30), Cause.CLAIMS),
    "exp true": (with_claims(exp=True), Cause.CLAIMS),
    "su a text": (with_claims(su="false"), Cause.CLAIMS),
    "scope of capitals": (with_claims(scope="chat ADMIN"), Cause.CLAIMS),
    "epochs a list": (with_claims(ep=[1, 2]), Cause.CLAIMS),
    "subject with a slash": (with_claims(sub="a/b"), Cause.CLAIMS),
    "tenant with a brace": (with_claims(tenant="acme}"), Cause.CLAIMS),
    **{f"no {name}": (with_claims(**{name: None}), Cause.CLAIMS) for name in NEEDED},
}


@pytest.mark.parametrize("name", CORPUS)
async def test_refused_before_the_store_is_asked(name: str) -> None:
    desk = Desk()
    token = await desk.token()
    forge, cause = CORPUS[name]
    asked = desk.bodies.asked
    found = await desk.redeem(forge(token))
    assert (found.cause, found.grant, found.body) == (cause, None, b"")
    assert desk.bodies.asked == asked
    assert (await desk.redeem(token)).cause is Cause.NONE


@pytest.mark.parametrize("brand", ["support", "shop", "elsewhere"])
async def test_presented_to_another_brand_it_is_refused(brand: str) -> None:
    desk = Desk()
    assert (await desk.redeem(await desk.token(), brand)).cause is Cause.AUDIENCE


async def test_any_shape_of_noise_is_refused_quietly() -> None:
    desk = Desk()
    token = await desk.token()
    for noise in ("", ".", "..", "a.b.c", "\x00", "é.é.é", token[:-20], token * 3, "key_" + "0" * 22):
        assert (await desk.redeem(noise)).grant is None
    assert desk.bodies.asked == 1
