"""Whatever is presented, whatever an issuer signs: an identity or a cause, never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.flows.jwts import _verify_signature
from services.auth.policy import jwt_claims, jwt_shape
from services.auth.policy.causes import Cause
from services.auth.policy.jwt_claims import Asserted
from services.auth.policy.jwt_shape import Candidate
from tests.unit.auth.issuer import ISSUER, RSA_KEY, RULES, claims_at, encoded, header, raw

NOW = 1_800_000_000.0
GOOD = raw(header(), claims_at(NOW))
RULES_BY_ISSUER = {ISSUER: RULES}
HEADERS = ("alg", "typ", "kid", "jku", "jwk", "crit", "b64", "x5u", "cty", "other")
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "nbf", "jti", "acr", "amr", "auth_time", "org", "other")
CHARACTERS = st.text(st.characters(), max_size=12)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | CHARACTERS
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(CHARACTERS, inner, max_size=4))
PUBLIC = RSA_KEY.public_key()


@given(st.text(max_size=400))
def test_any_text(text: str) -> None:
    assert isinstance(jwt_shape.inspect(text, RULES_BY_ISSUER), Cause)


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_any_character_changed(place: int, character: str) -> None:
    token = GOOD[:place] + character + GOOD[place + 1 :]
    found = jwt_shape.inspect(token, RULES_BY_ISSUER)
    if token != GOOD and isinstance(found, Candidate):
        assert isinstance(_verify_signature(token, found, PUBLIC), Cause)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(HEADERS), JSON, max_size=5), st.binary(max_size=40))
def test_any_header_and_signature(changes: dict[str, Any], signature: bytes) -> None:
    token = f"{encoded({**header(), **changes})}.{encoded(claims_at(NOW))}.{encoded(signature) or 'AA'}"
    found = jwt_shape.inspect(token, RULES_BY_ISSUER)
    if isinstance(found, Candidate):
        assert isinstance(_verify_signature(token, found, PUBLIC), Cause)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=6))
def test_any_claims_an_issuer_signs(changes: dict[str, Any]) -> None:
    body = {**claims_at(NOW), **changes}
    token = raw(header(), json.dumps(body).encode())
    found = jwt_shape.inspect(token, RULES_BY_ISSUER)
    if isinstance(found, Candidate):
        assert isinstance(_verify_signature(token, found, PUBLIC), Cause | dict)
    decided = jwt_claims.decide(body, RULES, NOW)
    assert isinstance(decided, Cause | Asserted)
    if isinstance(decided, Asserted):  # what is accepted holds whatever else was said
        assert (decided.organisation, body["iss"], body["aud"]) == ("acme", ISSUER, RULES.audience)
        assert 0 < decided.expires_at - decided.issued_at <= RULES.max_lifetime
        assert decided.not_before <= NOW + RULES.leeway < decided.expires_at + 2 * RULES.leeway
        assert len(decided.authentication.amr) <= 16
