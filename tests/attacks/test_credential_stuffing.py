"""One address tries key after key: the address is stopped, and no user and no key that it named."""

from __future__ import annotations

import secrets

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from services.auth.policy.api_keys import compose
from tests.support.backend import Backend, allowed, by_key, said
from tests.support.penalties import held_against
from tests.support.waiting import eventually


def guess() -> str:
    return compose("hbk", "test", secrets.token_bytes(32))


async def test_the_address_ends_in_a_suspension(backend: Backend) -> None:
    address, elsewhere = "203.0.113.77", "203.0.113.78"
    heard = set()
    for _ in range(120):
        heard.add(said(await backend.admit(by_key(guess()), client_address=address)))
    assert "DENY CREDENTIAL_NOT_ACCEPTED by auth" in heard

    async def stopped() -> bool:
        answer = await backend.admit(by_key(guess()), client_address=address)
        return said(answer) == "DENY PENALISED by address"

    assert await eventually(stopped, 5.0)
    # A key that is good is not heard from there either, and works from anywhere else.
    own = by_key(backend.stack.api_key)
    refused = await backend.admit(own, client_address=address)
    assert said(refused) == "DENY PENALISED by address"
    assert not refused.HasField("retry_after")
    assert (refused.penalty.subject, refused.penalty.level) == ("address", ratelimit.PENALTY_LEVEL_SUSPEND)
    assert refused.penalty.until.seconds > 0
    assert allowed(await backend.admit(own, client_address=elsewhere))
    assert await held_against(backend, own) == {}


async def test_asked_of_auth_directly_it_counts_the_same(backend: Backend) -> None:
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

    stub, address = AuthServiceStub(backend.channel("auth")), "203.0.113.79"
    for _ in range(80):
        request = auth.AuthenticateRequest(credential=by_key(guess()), client_address=address)
        assert not (await stub.Authenticate(request, timeout=5)).txn_token

    async def stopped() -> bool:
        answer = await backend.admit(by_key(guess()), client_address=address)
        return said(answer) == "DENY PENALISED by address"

    assert await eventually(stopped, 5.0)
