"""A revoked user keeps on asking through Envoy, so often that it is always remembered: within a second it ends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.envoy.auth.v3.external_auth_pb2_grpc import AuthorizationStub

from gateway.edge.authz_answers import TOKEN
from tests.support.backend import DEADLINE, Backend, fresh
from tests.support.checking import question

AT_MOST = 1.0


def envoy(backend: Backend, name: str) -> Any:
    return AuthorizationStub(backend.stack.channel("gateway", f"envoy/{name}"))


@pytest.mark.parametrize("name", ["identity", "edge"])
async def test_it_ends_within_a_second(backend: Backend, name: str) -> None:
    user = fresh("leaver")
    request = question(await backend.member(user))
    check = envoy(backend, name).Check
    for _ in range(2):  # from now on it is remembered
        assert (await check(request, timeout=DEADLINE)).WhichOneof("http_response") == "ok_response"
    revoke = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id=user)
    stub = AuthServiceStub(backend.channel("auth"))
    await stub.RevokeSubject(revoke, timeout=DEADLINE, metadata=await backend.administer())
    revoked, last = time.monotonic(), 0.0
    while time.monotonic() - revoked < AT_MOST + 0.3:
        answer = await check(request, timeout=DEADLINE)
        if answer.WhichOneof("http_response") == "ok_response":
            last = time.monotonic() - revoked
        elif answer.WhichOneof("http_response") == "denied_response":
            break
        await asyncio.sleep(0.1)  # within the limits of a minute
    assert answer.denied_response.status.code == 401
    assert last < AT_MOST


async def test_a_token_for_later_filters_is_of_this_request_and_of_no_use_to_envoy(backend: Backend) -> None:
    credential = await backend.member(fresh("user"))
    check = envoy(backend, "edge").Check
    plain = await check(question(credential), timeout=DEADLINE)
    assert TOKEN not in plain.dynamic_metadata, "nobody asked for one"
    request = question(credential, **{"hauberk.then": "ext_proc"})
    answers = [await check(request, timeout=DEADLINE) for _ in range(2)]
    tokens = [answer.dynamic_metadata[TOKEN] for answer in answers]
    assert len(set(tokens)) == 2
    for token in tokens:
        assert token not in str(answers[0].ok_response)
        refused = backend.stack.channel("auth", "envoy/edge")
        with pytest.raises(Exception, match="PERMISSION_DENIED"):
            await AuthServiceStub(refused).ListApiKeys(
                auth.ListApiKeysRequest(), timeout=DEADLINE, metadata=(("txn-token", token),)
            )
