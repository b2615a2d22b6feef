"""A credential makes another credential that can do more than itself."""

from __future__ import annotations

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, by_key, fresh, status_of

SERVICES_OWN = ("settle", "signal", "grant", "reset", "restore", "settle.commit", "restore.all")


def create(backend: Backend, own: Metadata, *scopes: str, subject: str = "") -> object:
    request = auth.CreateApiKeyRequest(subject=subject or backend.stack.admin, scopes=scopes)
    return AuthServiceStub(backend.channel("auth")).CreateApiKey(request, timeout=DEADLINE, metadata=own)


@pytest.mark.parametrize("scope", SERVICES_OWN)
async def test_what_only_services_hold_is_given_to_nobody(backend: Backend, scope: str) -> None:
    call = create(backend, await backend.administer(), "chat", scope)
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_key_gives_what_it_does_not_hold(target: Stack, backend: Backend) -> None:
    own = await backend.administer()
    narrow = await AuthServiceStub(backend.channel("auth")).CreateApiKey(
        auth.CreateApiKeyRequest(subject=target.admin, scopes=["chat", "keys.manage"]), timeout=DEADLINE, metadata=own
    )
    as_narrow = await backend.proof(by_key(narrow.api_key))
    for scope in ("members.manage", "audit.read", "tools.manage", "subjects.revoke"):
        assert await status_of(create(backend, as_narrow, scope)) is grpc.StatusCode.INVALID_ARGUMENT
    assert await status_of(create(backend, as_narrow, "chat")) is grpc.StatusCode.OK


async def test_nor_is_shown_the_successor_of_a_wider_one(target: Stack, backend: Backend) -> None:
    stub = AuthServiceStub(backend.channel("auth"))
    own = await backend.administer()
    wide, narrow = [
        await stub.CreateApiKey(
            auth.CreateApiKeyRequest(subject=target.admin, scopes=scopes), timeout=DEADLINE, metadata=own
        )
        for scopes in (["chat", "audit.read"], ["chat", "keys.manage"])
    ]
    as_narrow = await backend.proof(by_key(narrow.api_key))
    call = stub.RotateApiKey(auth.RotateApiKeyRequest(key_id=wide.key.key_id), timeout=DEADLINE, metadata=as_narrow)
    assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_user_without_the_scope_makes_none(backend: Backend) -> None:
    user = await backend.proof(await backend.member(fresh("user")))
    assert await status_of(create(backend, user, "chat")) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_key_for_somebody_of_another_organisation(target: Stack, backend: Backend) -> None:
    call = create(backend, await backend.administer(), "chat", subject=target.other.admin)
    assert await status_of(call) is not grpc.StatusCode.OK
