"""Reports of leaked keys are used to learn which keys exist, or to take away somebody's key without having it."""

from __future__ import annotations

import secrets

import grpc
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack
from services.auth.policy.api_keys import compose
from tests.support.backend import DEADLINE, Backend, allowed, by_key, fresh, status_of


async def somebody(backend: Backend) -> str:
    """A member with nobody else's messages on the account."""
    name = fresh("user")
    await backend.member(name)
    return name


async def made_key(backend: Backend) -> auth.CreateApiKeyResponse:
    request = auth.CreateApiKeyRequest(subject=await somebody(backend), scopes=["chat"])
    stub = AuthServiceStub(backend.channel("auth"))
    answer: auth.CreateApiKeyResponse = await stub.CreateApiKey(
        request, timeout=DEADLINE, metadata=await backend.administer()
    )
    return answer


async def test_every_report_gets_the_same_answer(backend: Backend) -> None:
    stub = AuthServiceStub(backend.channel("auth"))
    made = await made_key(backend)
    texts = [made.api_key, made.api_key, compose("hbk", "test", secrets.token_bytes(32)), "password123", "x" * 200]
    answers = [await stub.ReportLeakedKey(auth.ReportLeakedKeyRequest(api_key=t), timeout=DEADLINE) for t in texts]
    assert {answer.SerializeToString() for answer in answers} == {b""}
    assert not allowed(await backend.admit(by_key(made.api_key)))


async def test_what_is_known_of_a_key_is_not_the_key(backend: Backend) -> None:
    stub = AuthServiceStub(backend.channel("auth"))
    made = await made_key(backend)
    for text in (made.key.key_id, made.key.last_four, made.api_key[:-1], made.api_key[:20], made.api_key.upper()):
        await stub.ReportLeakedKey(auth.ReportLeakedKeyRequest(api_key=text), timeout=DEADLINE)
    assert allowed(await backend.admit(by_key(made.api_key)))


async def test_other_workloads_report_nothing(target: Stack) -> None:
    for workload in ("tenancy", "ratelimit", "guardrail"):
        call = AuthServiceStub(target.inprocess("auth", workload)).ReportLeakedKey(
            auth.ReportLeakedKeyRequest(api_key="x"), timeout=DEADLINE
        )
        assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED
