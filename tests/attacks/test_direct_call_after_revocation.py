"""A token of a user who was revoked a second ago, taken to a service directly: it is not good for its last minute."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import grpc
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from services.auth.policy.jwt_claims import token_id
from tests.attacks.forge import Forge
from tests.attacks.rpcs import SERVED_TENANT, Rpc, call
from tests.support.backend import DEADLINE, Backend, by_key, fresh

ISSUER, JTI = "https://idp.example", "one-token"
Claims = dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def revoked(target: Stack) -> dict[str, Claims]:
    """For each ground: what a token says that stood on it, a second after the revocation returned."""
    session = f"ses_{secrets.token_hex(8)}"
    organisation, made = await _organisation(target)
    backend = Backend(target)
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.proof(by_key(made.api_key))
    for request in (
        auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_USER, id="leaver"),
        auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_BRAND, id="closed"),
        auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_SESSION, id=session),
        auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_TOKEN, issuer=ISSUER, token_id=JTI),
    ):
        await stub.RevokeSubject(request, timeout=DEADLINE, metadata=own)
    await stub.RevokeApiKey(auth.RevokeApiKeyRequest(key_id=made.key.key_id), timeout=DEADLINE, metadata=own)
    elsewhere, key = await _whole_organisation(target, backend)
    await asyncio.sleep(1.0)
    return {
        "user": {"tenant": organisation, "sub": "leaver"},
        "brand": {"tenant": organisation, "brand": "closed"},
        "session": {"tenant": organisation, "sid": session},
        "token": {"tenant": organisation, "oti": token_id(ISSUER, JTI)},
        "key": {"tenant": organisation, "cid": made.key.key_id},
        "organisation": {"tenant": elsewhere, "cid": key},
    }


async def _whole_organisation(target: Stack, backend: Backend) -> tuple[str, str]:
    name, made = await _organisation(target)
    whole = auth.RevokeSubjectRequest(kind=auth.SUBJECT_KIND_ORGANISATION)
    stub, own = AuthServiceStub(backend.channel("auth")), await backend.proof(by_key(made.api_key))
    await stub.RevokeSubject(whole, timeout=DEADLINE, metadata=own)
    return name, made.key.key_id


async def _organisation(target: Stack) -> tuple[str, auth.BootstrapApiKeyResponse]:
    """One that nothing else needs, with its first key."""
    name = fresh("left")
    await TenancyServiceStub(target.channel("tenancy", "operator")).CreateOrganisation(
        tenancy.CreateOrganisationRequest(organisation=name, plan="pro", first_brand="shop", first_admin="ann"),
        timeout=DEADLINE,
    )
    made = await AuthServiceStub(target.channel("auth", "operator")).BootstrapApiKey(
        auth.BootstrapApiKeyRequest(organisation=name, subject="ann", brand="shop"), timeout=DEADLINE
    )
    return name, made


def _presented(forge: Forge, **claims: Any) -> str:
    """Signed by auth's own key, fresh, of nobody who was revoked but for what `claims` say."""
    now = int(time.time())
    plain: dict[str, Any] = {
        "sub": "somebody",
        "brand": "shop",
        "cid": "jwt_x",
        "sid": "",
        "ep": {},
        "iat": now,
        "exp": now + 60,
    }
    return forge.resigned(**{**plain, **claims})


@pytest.mark.parametrize("rpc", SERVED_TENANT, ids=str)
async def test_it_is_refused(target: Stack, forge: Forge, revoked: dict[str, Claims], rpc: Rpc) -> None:
    channel = target.channel(rpc.area, rpc.insider())
    for ground, claims in revoked.items():
        answer = await call(channel, rpc, [_presented(forge, **claims)])
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED, ground
    # The same hand, the same organisation, nothing revoked: what refused above was the revocation.
    untouched = await call(channel, rpc, [_presented(forge, tenant=revoked["user"]["tenant"])])
    assert untouched.code is not grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("rpc", [rpc for rpc in SERVED_TENANT if rpc.area != "auth"], ids=str)
async def test_a_token_minted_after_the_revocation_is_another_matter(
    target: Stack, forge: Forge, revoked: dict[str, Claims], rpc: Rpc
) -> None:
    channel = target.channel(rpc.area, rpc.insider())
    later = dict.fromkeys("uobkst", 1)
    for ground, claims in revoked.items():
        answer = await call(channel, rpc, [_presented(forge, **claims, ep=later)])
        assert answer.code is not grpc.StatusCode.UNAUTHENTICATED, ground
