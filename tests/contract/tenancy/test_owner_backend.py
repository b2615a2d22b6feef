"""Types that a product's own backend keeps: it is asked who owns what, and whatever goes wrong there is a refusal."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import resource_owner_pb2 as owner
from hauberk.tenancy.v1 import resource_owner_pb2_grpc as owner_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.clock import SystemClock
from services.kit.errors import InvalidArgument, NotFound, Unavailable
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyRing
from services.kit.server import App, Mount, Wiring, interceptor_of
from services.kit.settings import SettingsError
from services.tenancy.bootstrap import build
from services.tenancy.settings import TenancySettings
from tests.contract.tenancy.house import KEYS, SCOPES, House, settings_of
from tests.support.stores import DataStores

POLICIES = Path(__file__).resolve().parents[3] / "policies" / "tenancy"
INVOICE = """
entity Invoice { organisation: Organisation, owner?: User, brand?: Brand, labels: Set<String> };
action "invoice.read" in ["viewing"] appliesTo { principal: [User], resource: [Invoice], context: Request };
"""
Answer = Callable[[owner.ResolveOwnersRequest], Any]


class Backend(owner_grpc.ResourceOwnerServiceServicer):
    """The product's own service; each test says how it answers."""

    def __init__(self) -> None:
        self.asked: list[owner.ResolveOwnersRequest] = []
        self.answer: Answer = lambda _: owner.ResolveOwnersResponse()

    async def ResolveOwners(self, request: owner.ResolveOwnersRequest, _: Any) -> owner.ResolveOwnersResponse:
        self.asked.append(request)
        found = self.answer(request)
        return await found if asyncio.iscoroutine(found) else found  # type: ignore[no-any-return]


def owned(request: owner.ResolveOwnersRequest, **more: Any) -> owner.ResolveOwnersResponse:
    """All of them are the asking organisation's."""
    facts = {"organisation": request.organisation, **more}
    return owner.ResolveOwnersResponse(resolved=[owner.ResolvedOwner(id=name, **facts) for name in request.ids])


def policies(folder: Path) -> Path:
    made = folder / "policies"
    shutil.copytree(POLICIES, made)
    schema = made / "schema.cedarschema"
    schema.write_text(schema.read_text() + INVOICE)
    return made


def settings(stores: DataStores, folder: Path, owners: dict[str, str]) -> TenancySettings:
    return TenancySettings(
        **settings_of(stores),
        tenancy_policies=policies(folder),
        tenancy_resource_owners=owners,
        tenancy_owner_timeout=0.2,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def world(data_stores: DataStores, tmp_path: Path) -> AsyncIterator[tuple[House, Backend]]:
    backend = Backend()
    chosen = settings(data_stores, tmp_path, {"Invoice": "backend"})
    described = owner.DESCRIPTOR.services_by_name["ResourceOwnerService"]
    app = App("backend", [Mount(backend, owner_grpc.add_ResourceOwnerServiceServicer_to_server, described)])
    server = InProcessServer(interceptor_of(app, chosen, None))
    owner_grpc.add_ResourceOwnerServiceServicer_to_server(backend, cast(Any, server))

    def dial(kind: str) -> Any:
        assert kind == "backend"
        return InProcessChannel(server, "spiffe://hauberk.local/tenancy")

    async with AsyncExitStack() as stack:
        wiring = Wiring(KeyRing(None, KEYS), dial, SystemClock(), stack)
        yield House(data_stores, await build(chosen, wiring)), backend


async def may(house: House, org: str, name: str, user: str = "ann") -> bool:
    answer = await house.ask(house.caller(org, user), "invoice.read", "Invoice", name)
    return answer.outcome == common.OUTCOME_ALLOW


async def test_what_the_backend_says_decides(world: tuple[House, Backend]) -> None:
    house, backend = world
    org = await house.organisation()
    await house.member(org, "bob", "member", brands=("shop",))
    backend.answer = owned
    assert await may(house, org, "i1")
    assert await may(house, org, "i1", "bob")
    backend.answer = lambda request: owned(request, brand="club")
    assert await may(house, org, "i1")
    assert not await may(house, org, "i1", "bob")
    backend.answer = lambda request: owned(request, owner="bob", labels=["private"])
    assert not await may(house, org, "i1")
    assert await may(house, org, "i1", "bob")
    assert {request.organisation for request in backend.asked} == {org}


async def raising(_: owner.ResolveOwnersRequest) -> Any:
    raise Unavailable("its store")


async def sleeping(request: owner.ResolveOwnersRequest) -> Any:
    await asyncio.sleep(2)
    return owned(request)


def elsewhere(request: owner.ResolveOwnersRequest) -> Any:
    return owned(request, organisation="globex")


def contradicting(request: owner.ResolveOwnersRequest) -> Any:
    one = owned(request, owner="ann").resolved[0]
    return owner.ResolveOwnersResponse(resolved=[one, owned(request, owner="bob").resolved[0]])


def malformed(request: owner.ResolveOwnersRequest) -> Any:
    return owned(request, brand="Not A Brand")


def other_ids(request: owner.ResolveOwnersRequest) -> Any:
    return owner.ResolveOwnersResponse(resolved=[owner.ResolvedOwner(id="i2", organisation=request.organisation)])


@pytest.mark.parametrize(
    "answer",
    [lambda _: owner.ResolveOwnersResponse(), raising, sleeping, elsewhere, contradicting, malformed, other_ids],
    ids=["unknown", "error", "timeout", "foreign", "contradiction", "malformed", "another-id"],
)
async def test_whatever_is_no_clear_answer_is_a_refusal(world: tuple[House, Backend], answer: Answer) -> None:
    house, backend = world
    org = await house.organisation()
    backend.answer = answer
    assert not await may(house, org, "i1")
    with pytest.raises(NotFound):
        await house.call(
            "GetResource", house.caller(org), pb.GetResourceRequest(resource=pb.Resource(type="Invoice", id="i1"))
        )
    assert len(backend.asked) == 2, "foreign and unknown cost the same"


async def test_a_batch_is_one_call(world: tuple[House, Backend]) -> None:
    house, backend = world
    org = await house.organisation()
    backend.answer = owned
    ask = [
        pb.AuthorizeRequest(action="invoice.read", resource=pb.Resource(type="Invoice", id=f"i{n % 90}"))
        for n in range(180)
    ]
    answer = await house.call("AuthorizeBatch", house.caller(org), pb.AuthorizeBatchRequest(questions=ask))
    assert {one.outcome for one in answer.answers} == {common.OUTCOME_ALLOW}
    assert [len(request.ids) for request in backend.asked] == [90]


async def test_a_backends_facts_cannot_be_put_here(world: tuple[House, Backend]) -> None:
    house, _ = world
    org = await house.organisation()
    facts = pb.ResourceFacts(resource=pb.Resource(type="Invoice", id="i1"), owner="ann")
    admin = house.caller(org, scopes=SCOPES | {"resources.write"})
    with pytest.raises(InvalidArgument):
        await house.call("PutResources", admin, pb.PutResourcesRequest(facts=[facts]))
    with pytest.raises(InvalidArgument):
        await house.call("ListResources", admin, pb.ListResourcesRequest(type="Invoice"))


@pytest.mark.parametrize("kind", ["Brand", "Document", "Unheard"])
async def test_only_types_of_the_product_have_a_backend(data_stores: DataStores, tmp_path: Path, kind: str) -> None:
    async with AsyncExitStack() as stack:
        wiring = Wiring(KeyRing(None, KEYS), lambda _: None, SystemClock(), stack)  # type: ignore[arg-type,return-value]
        with pytest.raises(SettingsError, match="tenancy_resource_owners"):
            await build(settings(data_stores, tmp_path, {kind: "backend"}), wiring)
