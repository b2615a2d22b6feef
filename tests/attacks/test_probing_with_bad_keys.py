"""Somebody tries keys: unknown, of a wrong checksum, expired and revoked look the same from outside."""

from __future__ import annotations

import asyncio
import secrets

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack
from services.auth.policy.api_keys import compose
from tests.support.backend import DEADLINE, Backend, by_key, said, stable


async def bad_keys(target: Stack, backend: Backend) -> dict[str, str]:
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.administer()
    short = auth.CreateApiKeyRequest(subject=target.admin, scopes=["chat"])
    short.ttl.FromSeconds(1)
    expired = await stub.CreateApiKey(short, timeout=DEADLINE, metadata=own)
    revoked = await stub.CreateApiKey(
        auth.CreateApiKeyRequest(subject=target.admin, scopes=["chat"]), timeout=DEADLINE, metadata=own
    )
    await stub.RevokeApiKey(auth.RevokeApiKeyRequest(key_id=revoked.key.key_id), timeout=DEADLINE, metadata=own)
    await asyncio.sleep(1.1)
    key = target.api_key
    return {
        "never issued": compose("hbk", "test", secrets.token_bytes(32)),
        "another environment": compose("hbk", "live", secrets.token_bytes(32)),
        "wrong checksum": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "no key at all": "password123",
        "SQL": "' OR '1'='1' --",
        "zero bytes": "hbk_test_\x00\x00",
        "expired": expired.api_key,
        "revoked": revoked.api_key,
    }


async def test_every_answer_is_alike(target: Stack, backend: Backend) -> None:
    keys = await bad_keys(target, backend)
    answers = {what: await backend.admit(by_key(key), conversation="c") for what, key in keys.items()}
    first = stable(answers["never issued"])
    assert said(first) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    for what, answer in answers.items():
        assert stable(answer) == first, what
        assert keys[what] not in str(answer), what


async def test_asked_of_auth_directly_as_well(target: Stack, backend: Backend) -> None:
    keys = await bad_keys(target, backend)
    answers = {what: await backend.authenticate(by_key(key)) for what, key in keys.items()}
    first = answers.pop("never issued")
    for answer in [first, *answers.values()]:
        answer.ClearField("txn")
    assert all(answer == first for answer in answers.values())
    assert not (first.txn_token or first.principal.organisation)
