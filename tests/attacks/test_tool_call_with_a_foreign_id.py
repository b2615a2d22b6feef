"""An injected model names another organisation's resource in a tool call: it can no more than its user could."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND, arguments
from tests.support.backend import DEADLINE, Backend, allowed, fresh, refusing_stage, stable


async def test_it_is_refused_as_the_users_own_call_would_be(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    user = await backend.member(fresh("user"))
    admission = await backend.admitted(user)
    answer = await backend.call_tool(admission, tool, arguments(brand=target.other.brand))
    assert not allowed(answer)
    assert refusing_stage(answer.verdicts) == "tool"
    assert not (answer.arguments_json or answer.arguments_sha256)

    own = await TenancyServiceStub(backend.channel("tenancy")).Authorize(
        tenancy.AuthorizeRequest(action=READ, resource=tenancy.Resource(type="Brand", id=target.other.brand)),
        timeout=DEADLINE,
        metadata=await backend.proof(user),
    )
    assert (own.outcome, own.reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)
    assert (answer.outcome, answer.reason) == (own.outcome, own.reason)


async def test_foreign_and_unknown_are_one_answer(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    foreign = await backend.call_tool(admission, tool, arguments(brand=target.other.brand))
    unknown = await backend.call_tool(admission, tool, arguments(brand="no-such-brand"))
    assert stable(foreign) == stable(unknown)


async def test_one_foreign_id_among_own_ones(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await backend.admitted(await backend.member(fresh("user")))
    mixed = arguments(brand=target.brand, brands=[target.brand, target.other.brand])
    assert not allowed(await backend.call_tool(admission, tool, mixed))
    assert allowed(await backend.call_tool(admission, tool, arguments(brand=target.brand, brands=[target.brand])))


async def test_a_brand_of_the_organisation_that_is_not_the_users(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    closed = await backend.brand()
    user = await backend.member(fresh("user"), brands=[target.brand])
    admission = await backend.admitted(user)
    assert not allowed(await backend.call_tool(admission, tool, arguments(brand=closed)))
