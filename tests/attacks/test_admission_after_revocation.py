"""A user was revoked between question and answer: nothing more is done on their behalf."""

from __future__ import annotations

import asyncio

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.attacks.toolbox import READ, READ_BRAND, arguments
from tests.support.backend import DEADLINE, Backend, by_key, fresh, said

REFUSED = "DENY ADMISSION_NOT_ACCEPTED"


async def revoke_user(backend: Backend, name: str) -> None:
    request = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id=name)
    await AuthServiceStub(backend.channel("auth")).RevokeSubject(
        request, timeout=DEADLINE, metadata=await backend.administer()
    )


@pytest.mark.parametrize("how", ["complete", "stream", "tool"])
async def test_after_the_user(backend: Backend, how: str) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    name = fresh("leaver")
    admission = await backend.admitted(await backend.member(name))
    await revoke_user(backend, name)
    if how == "complete":
        answer = await backend.complete(admission, "Hello.")
        assert (said(answer), answer.text) == (REFUSED, "")
    elif how == "stream":
        shown, result = await backend.stream(admission, ["Hello."])
        assert (said(result), shown) == (REFUSED, "")
    else:
        refused = await backend.call_tool(admission, tool, arguments(brand=backend.stack.brand))
        assert said(refused) == REFUSED


async def test_after_the_key(backend: Backend) -> None:
    stub = AuthServiceStub(backend.channel("auth"))
    own = await backend.administer()
    made = await stub.CreateApiKey(
        auth.CreateApiKeyRequest(subject=backend.stack.admin, scopes=["chat"]), timeout=DEADLINE, metadata=own
    )
    admission = await backend.admitted(by_key(made.api_key))
    await stub.RevokeApiKey(auth.RevokeApiKeyRequest(key_id=made.key.key_id), timeout=DEADLINE, metadata=own)
    assert said(await backend.complete(admission, "Hello.")) == REFUSED


async def test_a_new_admission_after_it_is_a_matter_of_the_credential(backend: Backend) -> None:
    name = fresh("leaver")
    credential = await backend.member(name)
    await backend.admitted(credential)
    await revoke_user(backend, name)
    await asyncio.sleep(0)
    assert said(await backend.admit(credential)) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
