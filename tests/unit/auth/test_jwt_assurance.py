"""What an issuer says of a sign-in, what its rules demand of it, and the name of a single token."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from services.auth.flows.authenticate import Kind
from services.auth.policy import jwt_assurance, jwt_claims
from services.auth.policy.causes import Cause
from services.auth.policy.jwt_claims import Asserted
from services.auth.policy.jwt_shape import IssuerRules
from services.kit.caller import UNSAID, Authentication
from tests.unit.auth.fakes import Desk
from tests.unit.auth.issuer import ISSUER, RULES, FixedIssuerKeys, claims_at, header, raw

NOW = 1_800_000_000.0
STRICT = replace(
    RULES,
    require_jti=True,
    required_acr=frozenset({"gold", "silver"}),
    required_amr=frozenset({"pwd", "otp"}),
    max_auth_age=300.0,
)
SIGNED_IN: dict[str, Any] = {"jti": "j", "acr": "gold", "amr": ["pwd", "otp", "geo"], "auth_time": int(NOW) - 60}


def decided(rules: IssuerRules, **changes: Any) -> Asserted | Cause:
    return jwt_claims.decide(claims_at(NOW, **changes), rules, NOW)


def test_facts_are_carried_as_they_are_said() -> None:
    found = decided(STRICT, **SIGNED_IN)
    assert isinstance(found, Asserted)
    assert found.authentication == Authentication("gold", ("pwd", "otp", "geo"), int(NOW) - 60)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"jti": None}, Cause.JWT_TOKEN_ID),
        ({"acr": None}, Cause.JWT_ACR),
        ({"acr": "bronze"}, Cause.JWT_ACR),
        ({"acr": "Gold"}, Cause.JWT_ACR),
        ({"acr": ["gold"]}, Cause.JWT_ACR),
        ({"acr": ""}, Cause.JWT_ACR),
        ({"amr": None}, Cause.JWT_AMR),
        ({"amr": []}, Cause.JWT_AMR),
        ({"amr": ["pwd"]}, Cause.JWT_AMR),
        ({"amr": "pwd otp"}, Cause.JWT_AMR),
        ({"amr": {"pwd": 1, "otp": 1}}, Cause.JWT_AMR),
        ({"amr": ["pwd", "otp", 7]}, Cause.JWT_AMR),
        ({"amr": ["pwd", "otp", "x" * 129]}, Cause.JWT_AMR),
        ({"amr": ["pwd", "otp", *map(str, range(15))]}, Cause.JWT_AMR),
        ({"auth_time": None}, Cause.JWT_AUTH_AGE),
        ({"auth_time": int(NOW) - 301}, Cause.JWT_AUTH_AGE),
        ({"auth_time": int(NOW) + 31}, Cause.JWT_AUTH_AGE),
        ({"auth_time": 10**30}, Cause.JWT_AUTH_AGE),
        ({"auth_time": True}, Cause.JWT_AUTH_AGE),
        ({"auth_time": str(int(NOW))}, Cause.JWT_AUTH_AGE),
        ({"auth_time": float("nan")}, Cause.JWT_AUTH_AGE),
        ({"auth_time": -1}, Cause.JWT_AUTH_AGE),
    ],
    ids=str,
)
def test_a_sign_in_that_is_not_enough(change: dict[str, Any], cause: Cause) -> None:
    assert decided(STRICT, **{**SIGNED_IN, **change}) is cause


@pytest.mark.parametrize(
    "claims",
    [
        {"acr": "x" * 129},
        {"acr": "two words"},
        {"acr": "\n"},
        {"acr": "\ud800"},
        {"amr": ["a"] * 17},
        {"amr": [["pwd"]]},
        {"auth_time": 0},
        {"auth_time": float("inf")},
    ],
    ids=str,
)
def test_what_is_malformed_counts_as_unsaid(claims: dict[str, Any]) -> None:
    assert jwt_assurance.facts(claims, RULES, NOW) == UNSAID


async def test_the_caller_carries_the_facts_and_the_name_of_the_token() -> None:
    desk = Desk([(RULES, FixedIssuerKeys())])
    now = desk.clock.now()
    token = raw(header(), claims_at(now, jti="j1", acr="gold", amr=["otp"], auth_time=int(now) - 5))
    minted = (await desk.present(token, Kind.JWT)).minted
    assert minted is not None
    assert minted.caller.authentication == Authentication("gold", ("otp",), int(now) - 5)
    assert minted.caller.token_id == jwt_claims.token_id(ISSUER, "j1")


async def test_without_jti_there_is_no_such_name() -> None:
    desk = Desk([(RULES, FixedIssuerKeys())])
    minted = (await desk.present(raw(header(), claims_at(desk.clock.now())), Kind.JWT)).minted
    assert minted is not None
    assert (minted.caller.token_id, minted.caller.authentication) == ("", UNSAID)


def test_the_name_of_a_token_shows_nothing_and_is_one_issuers() -> None:
    name = jwt_claims.token_id(ISSUER, "j1")
    assert len(name) == 22
    assert name.isalnum()
    assert name.isascii()
    assert name not in {jwt_claims.token_id(ISSUER, "j2"), jwt_claims.token_id("https://other.test", "j1")}
    number = int.from_bytes(hashlib.sha256(f"{ISSUER}\0j1".encode()).digest()[:16], "big")
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert sum(digits.index(c) * 62**i for i, c in enumerate(reversed(name))) == number
