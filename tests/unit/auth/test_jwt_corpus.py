"""Tokens that must not be accepted: every known class, refused with one outer answer and without an exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import jwt
import pytest

from services.auth import messages
from services.auth.flows.authenticate import Kind
from services.auth.policy import jwt_shape
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.kit.errors import Unavailable
from tests.unit.auth import issuer
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk
from tests.unit.auth.issuer import claims_at, encoded, header, hmac_with, raw

Forge = Callable[[float], str]


def good(now: float) -> str:
    return raw(header(), claims_at(now))


def tampered(now: float) -> str:
    head, _, signature = good(now).split(".")
    return f"{head}.{encoded(claims_at(now, sub='root'))}.{signature}"


def part(now: float, index: int, text: str) -> str:
    parts = good(now).split(".")
    parts[index] = text
    return ".".join(parts)


def respelled(now: float) -> str:
    """The same signature bytes with the spare bits of the last character set."""
    token = good(now)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + last[last.index(token[-1]) + 1]


SHAPES: dict[str, tuple[Forge, Cause]] = {
    "empty": (lambda _: "", Cause.JWT_MALFORMED),
    "two parts": (lambda n: good(n).rpartition(".")[0], Cause.JWT_MALFORMED),
    "four parts": (lambda n: good(n) + ".x", Cause.JWT_MALFORMED),
    "empty signature": (lambda n: good(n).rpartition(".")[0] + ".", Cause.JWT_MALFORMED),
    "padding": (lambda n: good(n) + "==", Cause.JWT_MALFORMED),
    "respelled": (respelled, Cause.JWT_MALFORMED),
    "newline": (lambda n: good(n) + "\n", Cause.JWT_MALFORMED),
    "space": (lambda n: " " + good(n), Cause.JWT_MALFORMED),
    "plus and slash": (lambda n: part(n, 2, "ab+/"), Cause.JWT_MALFORMED),
    "not ascii": (lambda n: part(n, 2, "é" * 8), Cause.JWT_MALFORMED),
    "json serialisation": (lambda n: json.dumps({"payload": good(n)}), Cause.JWT_MALFORMED),
    "encrypted, five parts": (lambda n: ".".join(["e30"] * 5), Cause.JWT_MALFORMED),
    "oversize": (lambda n: raw(header(), claims_at(n, pad="x" * 8192)), Cause.JWT_OVERSIZE),
    "header is a list": (lambda n: raw(b"[]", claims_at(n)), Cause.JWT_MALFORMED),
    "header is not json": (lambda n: raw(b"{", claims_at(n)), Cause.JWT_MALFORMED),
    "header is not utf-8": (lambda n: raw(b"\xff\xfe", claims_at(n)), Cause.JWT_MALFORMED),
    "payload is text": (lambda n: raw(header(), b'"x"'), Cause.JWT_MALFORMED),
    "payload is deep": (lambda n: raw(header(), b"[" * 3000), Cause.JWT_MALFORMED),
    "payload holds NaN": (lambda n: raw(header(), b'{"iss": NaN}'), Cause.JWT_MALFORMED),
    "a name twice in the header": (
        lambda n: raw(b'{"alg":"RS256","alg":"none","kid":"k1","typ":"jwt"}', claims_at(n)),
        Cause.JWT_MALFORMED,
    ),
    "a name twice in the payload": (
        lambda n: raw(header(), json.dumps(claims_at(n)).encode()[:-1] + b',"sub":"root"}'),
        Cause.JWT_MALFORMED,
    ),
}
HEADERS: dict[str, tuple[Forge, Cause]] = {
    "alg none": (lambda n: raw(header(alg="none"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg None": (lambda n: raw(header(alg="None"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg lower case": (lambda n: raw(header(alg="rs256"), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg missing": (lambda n: raw(header(alg=None), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg is a list": (lambda n: raw(header(alg=["RS256"]), claims_at(n)), Cause.JWT_ALGORITHM),
    "alg of another family": (lambda n: issuer.es256(claims_at(n)), Cause.JWT_ALGORITHM),
    "alg of the family, not in the list": (lambda n: raw(header(alg="RS512"), claims_at(n)), Cause.JWT_ALGORITHM),
    "HMAC with the PEM": (
        lambda n: hmac_with(issuer.public_pem(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC with the DER": (
        lambda n: hmac_with(issuer.public_der(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC with the JWK": (
        lambda n: hmac_with(json.dumps(issuer.jwk()).encode(), header(alg="HS256"), claims_at(n)),
        Cause.JWT_ALGORITHM,
    ),
    "HMAC called RS256": (lambda n: hmac_with(issuer.public_pem(), header(), claims_at(n)), Cause.JWT_SIGNATURE),
    "typ missing": (lambda n: raw(header(typ=None), claims_at(n)), Cause.JWT_TYPE),
    "typ of an id for something else": (lambda n: raw(header(typ="logout+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ of our own tokens": (lambda n: raw(header(typ="txntoken+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ of context tokens": (lambda n: raw(header(typ="ctx+jwt"), claims_at(n)), Cause.JWT_TYPE),
    "typ is a number": (lambda n: raw(header(typ=1), claims_at(n)), Cause.JWT_TYPE),
    "jku": (lambda n: raw(header(jku="https://evil.test/jwks"), claims_at(n)), Cause.JWT_HEADER),
    "x5u": (lambda n: raw(header(x5u="https://evil.test/x"), claims_at(n)), Cause.JWT_HEADER),
    "jwk": (lambda n: raw(header(jwk=issuer.jwk()), claims_at(n)), Cause.JWT_HEADER),
    "x5c": (lambda n: raw(header(x5c=["MIIB"]), claims_at(n)), Cause.JWT_HEADER),
    "crit": (lambda n: raw(header(crit=["exp"]), claims_at(n)), Cause.JWT_HEADER),
    "b64": (lambda n: raw(header(b64=False), claims_at(n)), Cause.JWT_HEADER),
    "zip": (lambda n: raw(header(zip="DEF"), claims_at(n)), Cause.JWT_HEADER),
    "kid missing": (lambda n: raw(header(kid=None), claims_at(n)), Cause.JWT_KID),
    "kid is a path": (lambda n: raw(header(kid="../../dev/null"), claims_at(n)), Cause.JWT_KID),
    "kid is SQL": (lambda n: raw(header(kid="x' UNION SELECT 'k"), claims_at(n)), Cause.JWT_KID),
    "kid is long": (lambda n: raw(header(kid="k" * 129), claims_at(n)), Cause.JWT_KID),
    "kid is a number": (lambda n: raw(header(kid=1), claims_at(n)), Cause.JWT_KID),
    "kid unknown": (lambda n: raw(header(kid="k9"), claims_at(n)), Cause.JWT_UNKNOWN_KEY),
    "foreign key": (lambda n: raw(header(), claims_at(n), issuer.OTHER_RSA_KEY), Cause.JWT_SIGNATURE),
    "tampered": (tampered, Cause.JWT_SIGNATURE),
    "short signature": (lambda n: part(n, 2, "AAAA"), Cause.JWT_SIGNATURE),
}
CLAIMS: dict[str, tuple[dict[str, object], Cause]] = {
    "no exp": ({"exp": None}, Cause.JWT_CLAIMS),
    "no iat": ({"iat": None}, Cause.JWT_CLAIMS),
    "no sub": ({"sub": None}, Cause.JWT_CLAIMS),
    "no aud": ({"aud": None}, Cause.JWT_CLAIMS),
    "no iss": ({"iss": None}, Cause.JWT_ISSUER),
    "iss of another": ({"iss": "https://login.globex.test"}, Cause.JWT_ISSUER),
    "iss with a slash more": ({"iss": issuer.ISSUER + "/"}, Cause.JWT_ISSUER),
    "iss is a part of ours": ({"iss": issuer.ISSUER[:-1]}, Cause.JWT_ISSUER),
    "iss is a list": ({"iss": [issuer.ISSUER]}, Cause.JWT_ISSUER),
    "aud of another": ({"aud": "somebody-else"}, Cause.JWT_AUDIENCE),
    "aud is a list with us": ({"aud": [issuer.AUDIENCE, "somebody-else"]}, Cause.JWT_AUDIENCE),
    "aud begins like ours": ({"aud": issuer.AUDIENCE + "-2"}, Cause.JWT_AUDIENCE),
    "exp in the past": ({"iat": -600, "exp": -31}, Cause.JWT_EXPIRED),
    "exp far away": ({"exp": 86_400}, Cause.JWT_LIFETIME),
    "exp beyond every clock": ({"exp": "10e400"}, Cause.JWT_CLAIMS),
    "exp is text": ({"exp": "tomorrow"}, Cause.JWT_EXPIRED),
    "exp before iat": ({"iat": 20, "exp": 10}, Cause.JWT_LIFETIME),
    "iat in the future": ({"iat": 90, "exp": 600}, Cause.JWT_NOT_YET_VALID),
    "nbf in the future": ({"nbf": 90}, Cause.JWT_NOT_YET_VALID),
    "sub is empty": ({"sub": ""}, Cause.JWT_SUBJECT),
    "sub is no user id": ({"sub": "ada lovelace"}, Cause.JWT_SUBJECT),
    "sub has a newline": ({"sub": "ada\n"}, Cause.JWT_SUBJECT),
}
TIMES = {"exp", "iat", "nbf"}


def at(now: float, changes: dict[str, object]) -> str:
    moved = {name: int(now) + v if name in TIMES and isinstance(v, int) else v for name, v in changes.items()}
    body = json.dumps(claims_at(now, **moved)).replace('"10e400"', "1" + "0" * 400).encode()
    return raw(header(), body)


def desk_with(*keys: issuer.FixedIssuerKeys) -> Desk:
    return Desk([(issuer.RULES, keys[0] if keys else issuer.FixedIssuerKeys())])


async def refuse(token: str, desk: Desk | None = None) -> Cause:
    desk = desk or desk_with()
    found = await desk.present(token, Kind.JWT)
    assert found.minted is None
    assert messages.credential_reason(found.cause) == messages.credential_reason(Cause.KEY_UNKNOWN)
    assert (desk.keys.lookups, desk.directory.asked) == (0, 0)
    return found.cause


@pytest.mark.parametrize("name", [*SHAPES, *HEADERS])
async def test_forged_shapes_and_headers(name: str) -> None:
    forge, cause = (SHAPES | HEADERS)[name]
    desk = desk_with()
    assert await refuse(forge(desk.clock.now()), desk) is cause


@pytest.mark.parametrize("name", CLAIMS)
async def test_signed_but_not_acceptable(name: str) -> None:
    changes, cause = CLAIMS[name]
    desk = desk_with()
    found = await refuse(at(desk.clock.now(), changes), desk)
    assert found in {cause, Cause.JWT_SIGNATURE}  # the library may stop at a value it cannot read


@pytest.mark.parametrize("name", [*SHAPES, *(n for n, (_, c) in HEADERS.items() if c is not Cause.JWT_SIGNATURE)])
def test_most_are_refused_before_any_cryptography(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "decode", None)
    forge, cause = (SHAPES | HEADERS)[name]
    found = jwt_shape.inspect(forge(1.8e9), {issuer.ISSUER: issuer.RULES})
    assert found is cause or (cause is Cause.JWT_UNKNOWN_KEY and not isinstance(found, Cause))


async def test_a_good_token_is_accepted_with_no_more_than_its_issuer_may_give() -> None:
    desk = desk_with()
    body = claims_at(desk.clock.now(), scope="chat keys.manage settle", org="globex", tenant="globex")
    found = await desk.present(raw(header(), body), Kind.JWT)
    assert found.minted is not None
    caller = found.minted.caller
    assert (caller.organisation, caller.subject, caller.brand) == (ORG, USER, BRAND)
    assert caller.scopes == {"chat"}
    assert caller.credential_id.startswith("jwt_")


@pytest.mark.parametrize("claimed", ["globex", "", None, ["acme"], "ACME", "acme "])
async def test_an_issuer_speaks_only_for_its_organisations(claimed: object) -> None:
    rules = replace(issuer.RULES, organisations=("acme", "acme-labs"), organisation_claim="org")
    desk = Desk([(rules, issuer.FixedIssuerKeys())])
    assert await refuse(raw(header(), claims_at(desk.clock.now(), org=claimed)), desk) is Cause.JWT_ORGANISATION


@pytest.mark.parametrize("issued", [-50, -40, -11])
async def test_a_token_from_before_a_revocation_is_refused(issued: int) -> None:
    desk = desk_with()
    now = desk.clock.now()
    desk.epochs.ledger[ORG, f"u:{USER}"] = Mark(1, now - 40)
    assert await refuse(good(now + issued), desk) is Cause.EPOCH_OVERTAKEN  # -11: the issuer's clock may run ahead


async def test_a_token_from_after_a_revocation_is_accepted() -> None:
    desk = desk_with()
    now = desk.clock.now()
    desk.epochs.ledger[ORG, f"u:{USER}"] = Mark(1, now - 40)
    fresh = await desk.present(good(now - 5), Kind.JWT)
    assert fresh.minted is not None
    assert fresh.minted.caller.epochs.user == 1


async def test_unknown_keys_of_an_issuer_are_no_refusal() -> None:
    keys = issuer.FixedIssuerKeys()
    keys.away = True
    desk = desk_with(keys)
    with pytest.raises(Unavailable):
        await desk.present(good(desk.clock.now()), Kind.JWT)


async def test_a_curve_or_family_that_does_not_fit_is_refused() -> None:
    keys = issuer.FixedIssuerKeys({"k1": issuer.EC_KEY.public_key()})
    desk = desk_with(keys)
    assert await refuse(good(desk.clock.now()), desk) is Cause.JWT_SIGNATURE


async def test_a_short_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    short = rsa.generate_private_key(65537, 1024)
    desk = desk_with(issuer.FixedIssuerKeys({"k1": short.public_key()}))
    assert await refuse(raw(header(), claims_at(desk.clock.now()), short), desk) is Cause.JWT_SIGNATURE


def test_the_corpus_is_large() -> None:
    assert len(SHAPES) + len(HEADERS) + len(CLAIMS) >= 70
