"""What of a key set may verify tokens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.auth.adapters.jwks.parse import MAX_BYTES, KeySetError, parse, parse_in_turns
from tests.unit.auth.issuer import EC_KEY, OTHER_RSA_KEY, RSA_KEY, jwk, key_set

RS = frozenset({"RS256"})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>busy</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null, "x", {}]}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (MAX_BYTES + 1),
        key_set(*[jwk(kid=f"k{n}") for n in range(65)]),
        key_set(jwk(), jwk(OTHER_RSA_KEY)),
        key_set(jwk())[:-1] + b',"keys":[]}',
        key_set(jwk()).replace(b'"kid"', b'"kid": "other", "kid"'),
        b'{"keys": [' + b"{}," * 1024 + b"{}]}",
        key_set(jwk()) + b"{}",
    ],
    ids=range(17),
)
def test_not_a_set_we_can_use(text: bytes) -> None:
    with pytest.raises(KeySetError):
        parse(text, RS)


@pytest.mark.parametrize(
    "entry",
    [
        jwk(EC_KEY),
        jwk(use="enc"),
        jwk(alg="RS512"),
        jwk(alg="HS256"),
        jwk(kid=None),
        jwk(kid=7),
        jwk(kid="a b"),
        jwk(n="AA"),
        jwk(n="!"),
        jwk(kty="oct"),
        {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"},
        jwk(d="AQAB"),
        jwk(rsa.generate_private_key(65537, 1024)),
        jwk(rsa.generate_private_key(3, 1024)),
        jwk(e="AQ"),
        jwk(e="Ag"),
        jwk(e="AQAAAAE"),
        jwk(n="_" * 1368),
        jwk(n="_" * 4000),
        jwk(key_ops=["sign"]),
        jwk(key_ops="verify"),
        jwk(alg=["RS256"]),
        jwk(alg={}),
        jwk(use=None),
        jwk(x5c=[], kid="..\n"),
        jwk(kty="RSA", q="AQAB"),
    ],
    ids=range(26),
)
def test_not_a_key_we_can_use(entry: dict[str, Any]) -> None:
    with pytest.raises(KeySetError):
        parse(key_set(entry), RS)
    assert set(parse(key_set(entry, jwk(kid="good")), RS)) == {"good"}


def test_usable_keys_are_found_by_name() -> None:
    found = parse(key_set(jwk(kid="a"), jwk(OTHER_RSA_KEY, kid="b/+=")), RS)
    assert found["a"].public_numbers() == RSA_KEY.public_key().public_numbers()
    assert set(found) == {"a", "b/+="}


def test_a_curve_belongs_to_its_algorithm() -> None:
    wrong = jwk(ec.generate_private_key(ec.SECP384R1()), alg="ES256")
    with pytest.raises(KeySetError):
        parse(json.dumps({"keys": [wrong]}).encode(), frozenset({"ES256"}))
    assert set(parse(key_set(jwk(EC_KEY)), frozenset({"ES256"}))) == {"k1"}


async def test_in_turns_finds_the_same_and_lets_others_run() -> None:
    text = key_set(*[jwk(kid=f"k{number}") for number in range(20)])
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.ensure_future(others())
    assert set(await parse_in_turns(text, RS)) == set(parse(text, RS))
    running.cancel()
    assert turns >= 20
