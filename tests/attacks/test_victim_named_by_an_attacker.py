"""An attacker gives a victim's name with every failed login: it is the attacker's address that pays."""

from __future__ import annotations

import jwt
from hauberk.auth.v1 import auth_service_pb2 as auth

from tests.support.backend import Backend, allowed, by_key, fresh, said
from tests.support.penalties import held_against
from tests.support.waiting import eventually

ATTACKER = "203.0.113.91"


async def test_a_forged_token_of_a_victim(backend: Backend) -> None:
    victim = fresh("victim")
    genuine = await backend.member(victim)
    claims = jwt.decode(genuine.jwt, options={"verify_signature": False})
    forged = auth.Credential(jwt=jwt.encode(claims, "not the issuer's key, and long enough", algorithm="HS256"))
    for _ in range(80):
        assert not allowed(await backend.admit(forged, client_address=ATTACKER))

    async def stopped() -> bool:
        return said(await backend.admit(forged, client_address=ATTACKER)) == "DENY PENALISED by address"

    assert await eventually(stopped, 5.0)
    assert allowed(await backend.admit(genuine, client_address="203.0.113.92"))
    assert await held_against(backend, genuine) == {}


async def test_the_beginning_of_a_victims_key(backend: Backend) -> None:
    """Who has seen a key's beginning (a log, a screenshot) cannot lock its owner out with it."""
    own = backend.stack.api_key
    for number in range(80):
        wrong = own[:20] + f"{number:05d}" + own[25:]
        assert not allowed(await backend.admit(by_key(wrong), client_address="203.0.113.93"))
    assert allowed(await backend.admit(by_key(own), client_address="203.0.113.94"))
    assert allowed(await backend.admit(by_key(own)))
    assert await held_against(backend, by_key(own)) == {}
