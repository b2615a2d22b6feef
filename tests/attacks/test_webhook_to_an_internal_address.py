"""Notices are pointed at what only this deployment can reach: its own machine, its neighbours, a cloud's metadata."""

from __future__ import annotations

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.support.backend import DEADLINE, Backend, fresh, status_of

INSIDE = [
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://10.0.0.8:8443/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://localhost/",
    "https://postgres/",
    "https://me:word@hooks.example.com/",
]


async def put(backend: Backend, url: str) -> grpc.StatusCode:
    stub = AuthServiceStub(backend.channel("auth"))
    own = await backend.administer()
    return await status_of(stub.PutKeyWebhook(auth.PutKeyWebhookRequest(url=url), timeout=DEADLINE, metadata=own))


@pytest.mark.parametrize("url", INSIDE)
async def test_it_is_no_target(backend: Backend, url: str) -> None:
    assert await put(backend, url) is grpc.StatusCode.INVALID_ARGUMENT


async def test_without_the_scope_nobody_says_where_notices_go(backend: Backend) -> None:
    stub = AuthServiceStub(backend.channel("auth"))
    user = await backend.proof(await backend.member(fresh("user")))
    url = "https://hooks.example.com/"
    call = stub.PutKeyWebhook(auth.PutKeyWebhookRequest(url=url), timeout=DEADLINE, metadata=user)
    assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_secret_is_shown_once(backend: Backend) -> None:
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.administer()
    url = "https://hooks.example.com/keys"
    answer = await stub.PutKeyWebhook(auth.PutKeyWebhookRequest(url=url), timeout=DEADLINE, metadata=own)
    assert answer.secret.startswith("whsec_")
    state = await stub.GetKeyWebhook(auth.GetKeyWebhookRequest(), timeout=DEADLINE, metadata=own)
    assert state.url == url
    assert answer.secret not in str(state)
    await stub.DeleteKeyWebhook(auth.DeleteKeyWebhookRequest(), timeout=DEADLINE, metadata=own)
    gone = stub.GetKeyWebhook(auth.GetKeyWebhookRequest(), timeout=DEADLINE, metadata=own)
    assert await status_of(gone) is grpc.StatusCode.NOT_FOUND
