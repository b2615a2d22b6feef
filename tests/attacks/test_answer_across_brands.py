"""Marketing asks billing for its user: it sees the answer, and nothing else of billing."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from cli.demo.cross_brand import asked_across
from cli.demo.scenario import World
from embedded.stack import Stack
from tests.attacks.handoff import handed, present
from tests.support.backend import DEADLINE, Backend, allowed, fresh


async def test_the_recipe_holds(target: Stack) -> None:
    report = await asked_across(World.of(target))
    assert report.holds, [check for check in report.checks if not check.holds]


async def test_the_right_to_the_target_brand_is_asked_again_when_it_is_redeemed(
    target: Stack, backend: Backend
) -> None:
    billing, name = await backend.brand(), fresh("user")
    user = await backend.member(name, brands=[target.brand, billing])
    token = await handed(backend, user, billing)
    assert allowed(await present(backend, token, billing))
    limited = tenancy.Member(user=name, roles=["member"], brands=[target.brand])
    await TenancyServiceStub(backend.channel("tenancy")).PutMember(
        tenancy.PutMemberRequest(member=limited), timeout=DEADLINE, metadata=await backend.administer()
    )
    refused = await present(backend, token, billing)
    assert refused.outcome == common.OUTCOME_DENY
    assert not (refused.context or refused.admission or refused.messages)
