"""A key that was taken along is used from somewhere else."""

from __future__ import annotations

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.support.backend import DEADLINE, Backend, allowed, by_key, fresh, said, stable

INSIDE = ("198.51.100.7", "::ffff:198.51.100.7", "2001:db8:5::1")
OUTSIDE = ("203.0.113.7", "198.51.101.7", "::ffff:203.0.113.7", "2001:db8:6::1", "::198.51.100.7", "")


async def somebody(backend: Backend) -> str:
    """A member with nobody else's messages on the account."""
    name = fresh("user")
    await backend.member(name)
    return name


async def bound_key(backend: Backend) -> str:
    request = auth.CreateApiKeyRequest(
        subject=await somebody(backend), scopes=["chat"], allowed_addresses=["198.51.100.0/24", "2001:db8:5::/48"]
    )
    stub = AuthServiceStub(backend.channel("auth"))
    answer = await stub.CreateApiKey(request, timeout=DEADLINE, metadata=await backend.administer())
    assert list(answer.key.allowed_addresses) == ["198.51.100.0/24", "2001:db8:5::/48"]
    return str(answer.api_key)


@pytest.mark.parametrize("address", INSIDE)
async def test_from_inside_it_is_good(backend: Backend, address: str) -> None:
    assert allowed(await backend.admit(by_key(await bound_key(backend)), client_address=address))


async def test_from_outside_it_looks_like_no_key_at_all(backend: Backend) -> None:
    key = await bound_key(backend)
    assert allowed(await backend.admit(by_key(key), client_address=INSIDE[0]))  # remembered from here on
    unknown = auth.Credential(api_key="hbk_test_" + "0" * 49)
    for address in OUTSIDE:
        answer = stable(await backend.admit(by_key(key), conversation="c", client_address=address))
        assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth", address
        assert answer == stable(await backend.admit(unknown, conversation="c", client_address=address)), address
    assert allowed(await backend.admit(by_key(key), client_address=INSIDE[0]))


async def test_a_backend_that_states_no_address_gets_no_token(backend: Backend) -> None:
    answer = await backend.authenticate(by_key(await bound_key(backend)))
    assert not answer.txn_token
