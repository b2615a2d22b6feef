"""A context token was issued for one brand and is shown at another, or by somebody else a second time."""

from __future__ import annotations

from embedded.stack import Stack
from tests.attacks.handoff import SECRET, handed, present
from tests.support.backend import Backend, allowed, fresh, said

REFUSED = "DENY CREDENTIAL_NOT_ACCEPTED by auth"


async def test_only_its_target_accepts_it(target: Stack, backend: Backend) -> None:
    second, third = await backend.brand(), await backend.brand()
    token = await handed(backend, await backend.member(), second)
    for elsewhere in (third, target.brand, "no-such-brand"):
        refused = await present(backend, token, elsewhere)
        assert said(refused) == REFUSED
        assert not refused.context
    accepted = await present(backend, token, second)
    assert allowed(accepted)
    assert accepted.context == SECRET


async def test_it_is_not_renewed_nor_passed_on(target: Stack, backend: Backend) -> None:
    second, third = await backend.brand(), await backend.brand()
    token = await handed(backend, await backend.member(), second)
    from hauberk.auth.v1 import auth_service_pb2 as auth
    from hauberk.gateway.v1 import gateway_service_pb2 as pb

    again = await backend.admit(
        auth.Credential(context_token=token), handoff=pb.ContextHandoff(target_brand=third, body=SECRET)
    )
    assert not allowed(again)
    assert not again.context_token


async def test_single_use_is_single(target: Stack, backend: Backend, thief: Backend) -> None:
    second = await backend.brand()
    token = await handed(backend, await backend.member(), second, single_use=True)
    assert allowed(await present(backend, token, second))
    assert said(await present(thief, token, second)) == REFUSED


async def test_a_brand_that_the_user_may_not_use_gets_none(target: Stack, backend: Backend) -> None:
    from hauberk.gateway.v1 import gateway_service_pb2 as pb

    closed = await backend.brand()
    user = await backend.member(fresh("user"), brands=[target.brand])
    answer = await backend.admit(user, handoff=pb.ContextHandoff(target_brand=closed, body=SECRET))
    assert not allowed(answer)
    assert answer.decided_by == "context"
    assert not (answer.context_token or answer.admission)
