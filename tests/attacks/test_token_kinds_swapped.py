"""Each kind of token is shown where another kind belongs: none is ever taken for another."""

from __future__ import annotations

import grpc
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1.context_token_service_pb2_grpc import ContextTokenServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.support.backend import DEADLINE, Backend, proof, said, status_of

REFUSED = "DENY CREDENTIAL_NOT_ACCEPTED by auth"


async def context_token(backend: Backend, to: str) -> str:
    question = pb.IssueRequest(target_brand=to, body=b"what was said")
    answer = await ContextTokenServiceStub(backend.channel("context-token")).Issue(
        question, timeout=DEADLINE, metadata=await backend.administer()
    )
    assert answer.context_token
    return str(answer.context_token)


async def test_a_context_token_proves_no_caller(backend: Backend) -> None:
    token = await context_token(backend, await backend.brand())
    question = TenancyServiceStub(backend.channel("tenancy")).ListBrands(
        tenancy.ListBrandsRequest(), timeout=DEADLINE, metadata=proof(token)
    )
    assert await status_of(question) is grpc.StatusCode.UNAUTHENTICATED


async def test_a_transaction_token_is_no_credential(backend: Backend, forge: Forge) -> None:
    for credential in (
        auth.Credential(context_token=forge.genuine),
        auth.Credential(context_token=forge.resigned({"typ": "ctx+jwt"})),
        auth.Credential(context_token=forge.resigned({"typ": "ctx+jwt"}, aud=f"https://{backend.stack.brand}")),
        auth.Credential(jwt=forge.genuine),
        auth.Credential(jwt=forge.resigned({"typ": "JWT"})),
        auth.Credential(session=forge.genuine[:256]),
        auth.Credential(api_key=forge.genuine[:256]),
    ):
        assert said(await backend.admit(credential)) == REFUSED


async def test_every_other_exchange(target: Stack, backend: Backend) -> None:
    token = await context_token(backend, await backend.brand())
    admission = await backend.admitted(await backend.member())
    user_token = target.user_jwt(target.admin)
    for credential in (
        auth.Credential(jwt=token),
        auth.Credential(jwt=target.api_key),
        auth.Credential(jwt=admission),
        auth.Credential(context_token=user_token),
        auth.Credential(context_token=target.api_key),
        auth.Credential(api_key=admission),
        auth.Credential(session=admission),
        auth.Credential(session=target.api_key),
    ):
        assert said(await backend.admit(credential)) == REFUSED
