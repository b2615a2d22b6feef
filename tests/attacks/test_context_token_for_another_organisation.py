"""Context is handed to, or shown at, a brand of another organisation."""

from __future__ import annotations

import grpc
from hauberk.common.v1 import decision_pb2 as common
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1.context_token_service_pb2_grpc import ContextTokenServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as gateway

from embedded.stack import Stack
from tests.attacks.handoff import SECRET, handed, present
from tests.support.backend import DEADLINE, Backend, allowed, said, status_of


async def test_none_is_issued(target: Stack, backend: Backend) -> None:
    handoff = gateway.ContextHandoff(target_brand=target.other.brand, body=SECRET)
    answer = await backend.admit(await backend.member(), handoff=handoff)
    assert not allowed(answer)
    assert answer.decided_by == "context"
    assert not (answer.context_token or answer.admission)

    direct = await ContextTokenServiceStub(backend.channel("context-token")).Issue(
        pb.IssueRequest(target_brand=target.other.brand, body=SECRET),
        timeout=DEADLINE,
        metadata=await backend.administer(),
    )
    assert (direct.outcome, direct.context_token) == (common.OUTCOME_DENY, "")


async def test_none_is_redeemed(target: Stack, backend: Backend) -> None:
    token = await handed(backend, await backend.member(), await backend.brand())
    answer = await present(backend, token, target.other.brand)
    assert said(answer) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    assert not answer.context


async def test_a_backend_cannot_redeem_by_itself(target: Stack, backend: Backend) -> None:
    token = await handed(backend, await backend.member(), await backend.brand())
    call = ContextTokenServiceStub(backend.channel("context-token")).Redeem(
        pb.RedeemRequest(context_token=token, consumer="backend/demo"), timeout=DEADLINE
    )
    assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_nobody_else_revokes_it(target: Stack, backend: Backend) -> None:
    second = await backend.brand()
    token = await handed(backend, await backend.member(), second)
    call = ContextTokenServiceStub(backend.channel("context-token")).Revoke(
        pb.RevokeRequest(context_token=token), timeout=DEADLINE, metadata=await backend.administer(target.other)
    )
    assert await status_of(call) is grpc.StatusCode.NOT_FOUND
    assert allowed(await present(backend, token, second))
