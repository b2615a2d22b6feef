"""Somebody kept the old key and goes on using it after it was rotated."""

from __future__ import annotations

import asyncio

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.support.backend import DEADLINE, Backend, allowed, by_key, fresh, said, stable


async def somebody(backend: Backend) -> str:
    """A member with nobody else's messages on the account."""
    name = fresh("user")
    await backend.member(name)
    return name


async def test_at_the_end_of_the_grace_it_is_no_key_any_more(backend: Backend) -> None:
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.administer()
    made = await stub.CreateApiKey(
        auth.CreateApiKeyRequest(subject=await somebody(backend), scopes=["chat"]), timeout=DEADLINE, metadata=own
    )
    for _ in range(3):  # remembered by whoever verifies it
        assert allowed(await backend.admit(by_key(made.api_key)))
    request = auth.RotateApiKeyRequest(key_id=made.key.key_id)
    request.grace.FromSeconds(1)
    rotated = await stub.RotateApiKey(request, timeout=DEADLINE, metadata=own)
    assert allowed(await backend.admit(by_key(made.api_key)))
    await asyncio.sleep(1.1)
    answer = await backend.admit(by_key(made.api_key), conversation="c")
    assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    unknown = await backend.admit(by_key("hbk_test_" + "0" * 49), conversation="c")
    assert stable(answer) == stable(unknown)
    assert allowed(await backend.admit(by_key(rotated.api_key)))


async def test_a_leak_is_cut_at_once(backend: Backend) -> None:
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.administer()
    made = await stub.CreateApiKey(
        auth.CreateApiKeyRequest(subject=await somebody(backend), scopes=["chat"]), timeout=DEADLINE, metadata=own
    )
    admission = await backend.admitted(by_key(made.api_key))
    request = auth.RotateApiKeyRequest(key_id=made.key.key_id)
    request.grace.FromSeconds(0)
    await stub.RotateApiKey(request, timeout=DEADLINE, metadata=own)
    assert not allowed(await backend.admit(by_key(made.api_key)))
    assert not allowed(await backend.complete(admission, "Hello"))  # nor does it go on with what it had begun
