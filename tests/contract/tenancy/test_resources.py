"""Who owns what, on a real PostgreSQL: put, read, listed, deleted, and decided on."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.tenancy.adapters.resource_store import PostgresResources
from tests.contract.tenancy.house import SCOPES, House

ALL = SCOPES | {"resources.write"}


def facts(name: str, brand: str = "", owner: str = "", *labels: str, kind: str = "Document") -> pb.ResourceFacts:
    return pb.ResourceFacts(resource=pb.Resource(type=kind, id=name), owner=owner, brand=brand, labels=labels)


async def put(house: House, caller: Caller, *wanted: pb.ResourceFacts) -> int:
    answer = await house.call("PutResources", caller, pb.PutResourcesRequest(facts=wanted))
    return int(answer.stored)


async def may(house: House, caller: Caller, name: str, action: str = "document.read") -> bool:
    return (await house.ask(caller, action, "Document", name)).outcome == common.OUTCOME_ALLOW


async def test_what_is_put_decides(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    bob = await house.member(org, "bob", "member", brands=("shop",))
    assert not await may(house, admin, "d1")
    assert (
        await put(house, admin, facts("d1"), facts("d2", "shop", "bob", "private"), facts("d3", "", "", "restricted"))
        == 3
    )
    assert await may(house, bob, "d1")
    assert await may(house, bob, "d2")
    assert not await may(house, bob, "d3")
    assert await may(house, admin, "d3")
    assert not await may(house, admin, "d2"), "private is the owner's alone"
    assert not await may(house, bob, "d2", "resources.write")


async def test_resources_of_the_caller(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await house.call("PutResources", admin, pb.PutResourcesRequest(resources=[pb.Resource(type="Document", id="mine")]))
    answer = await house.call(
        "GetResource", admin, pb.GetResourceRequest(resource=pb.Resource(type="Document", id="mine"))
    )
    assert (answer.facts.owner, answer.facts.brand) == ("ann", "shop")
    assert answer.facts.changed_at.seconds > 0


async def test_one_batch_is_one_reading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await put(house, admin, *(facts(f"d{n}") for n in range(40)))
    store = house.servicer._core.resources._store
    calls: list[int] = []
    find = store.find

    async def counted(caller: Caller, refs: Any) -> Any:
        calls.append(len(refs))
        return await find(caller, refs)

    monkeypatch.setattr(store, "find", counted)
    ask = [
        pb.AuthorizeRequest(action="document.read", resource=pb.Resource(type="Document", id=f"d{n}"))
        for n in range(60)
    ]
    answer = await house.call("AuthorizeBatch", admin, pb.AuthorizeBatchRequest(questions=ask))
    assert [one.outcome == common.OUTCOME_ALLOW for one in answer.answers] == [n < 40 for n in range(60)]
    assert calls == [60]


async def test_foreign_and_unknown_are_one_answer_at_one_cost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    org, other = await house.organisation(), await house.organisation()
    await put(house, house.caller(other, scopes=ALL), facts("theirs"), facts("same"))
    await put(house, house.caller(org, scopes=ALL), facts("same", "", "", "private"))
    asker = house.caller(org)
    calls = 0
    tenant = cast(PostgresResources, house.servicer._core.resources._store)._database.tenant

    def counted(caller: Caller) -> Any:
        nonlocal calls
        calls += 1
        return tenant(caller)

    monkeypatch.setattr(cast(PostgresResources, house.servicer._core.resources._store)._database, "tenant", counted)
    await house.ask(asker, "document.read", "Document", "warm")
    seen = []
    for name in ("theirs", "nowhere", "same"):
        before = calls
        answer = await house.ask(asker, "document.read", "Document", name)
        seen.append((answer.SerializeToString(deterministic=True), calls - before))
    assert len(set(seen)) == 1
    with pytest.raises(NotFound) as foreign:
        await house.call(
            "GetResource", asker, pb.GetResourceRequest(resource=pb.Resource(type="Document", id="theirs"))
        )
    with pytest.raises(NotFound) as unknown:
        await house.call("GetResource", asker, pb.GetResourceRequest(resource=pb.Resource(type="Document", id="nope")))
    assert str(foreign.value) == str(unknown.value)
    gone = await house.call(
        "DeleteResources", house.caller(org, scopes=ALL),
        pb.DeleteResourcesRequest(resources=[pb.Resource(type="Document", id="theirs")]),
    )  # fmt: skip
    assert gone.deleted == 0
    assert await may(house, house.caller(other), "theirs")


async def test_lists_are_what_may_be_read(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await house.call("PutBrand", admin, pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    await put(house, admin, *(facts(f"a{n}", "shop") for n in range(5)), facts("b1", "club"),
              facts("c1", "", "", "restricted"), facts("c2", "", "bob", "private"))  # fmt: skip
    bob = await house.member(org, "bob", "viewer", brands=("shop",))
    shown: list[str] = []
    token = ""
    while True:
        page = await house.call(
            "ListResources", bob, pb.ListResourcesRequest(type="Document", page_size=2, page_token=token)
        )
        shown += [one.resource.id for one in page.facts]
        token = page.next_page_token
        if not token:
            break
    assert shown == ["a0", "a1", "a2", "a3", "a4", "c2"]
    everything = await house.call("ListResources", admin, pb.ListResourcesRequest(type="Document"))
    assert [one.resource.id for one in everything.facts] == ["a0", "a1", "a2", "a3", "a4", "b1", "c1"]
    stranger = await house.call("ListResources", house.caller(org, "eve"), pb.ListResourcesRequest(type="Document"))
    assert not stranger.facts
    with pytest.raises(InvalidArgument):
        await house.call("ListResources", bob, pb.ListResourcesRequest(type="Document", page_token="YnJhbmRzOng"))


async def test_who_may_not_write_changes_nothing(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await house.call("PutBrand", admin, pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    await put(house, admin, facts("d1", "club", "", "restricted"))
    shop_admin = await house.member(org, "sam", "admin", brands=("shop",))
    limited = house.caller(org, "sam", scopes=ALL)
    assert shop_admin.subject == limited.subject
    for refused in (
        (facts("d1", "shop"),),  # of another brand as it is
        (facts("new", "club"),),  # of another brand as it would be
        (facts("new"),),  # of the whole organisation
        (facts("fine", "shop"), facts("d1", "shop")),  # all or nothing
    ):
        with pytest.raises(PermissionDenied):
            await put(house, limited, *refused)
    assert await put(house, limited, facts("fine2", "shop")) == 1
    for scopes in (SCOPES, frozenset[str]()):
        with pytest.raises(PermissionDenied):
            await put(house, house.caller(org, scopes=scopes), facts("x"))
    member = await house.member(org, "bob", "member")
    with pytest.raises(PermissionDenied):
        await put(house, house.caller(org, member.subject, ALL), facts("x"))
    for wrong in (
        (),
        (facts("x"), facts("x")),
        (facts("x", kind="Brand"),),
        (facts("x", kind="Invoice"),),
        (facts("x", "nobrand"),),
    ):
        with pytest.raises((InvalidArgument, PermissionDenied)):
            await put(house, admin, *wrong)
    listed = await house.call("ListResources", admin, pb.ListResourcesRequest(type="Document"))
    assert [one.resource.id for one in listed.facts] == ["d1", "fine2"]


async def test_deletion_reaches_what_may_be_changed(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await put(house, admin, facts("d1"), facts("d2", "", "bob", "private"))
    wanted = pb.DeleteResourcesRequest(resources=[pb.Resource(type="Document", id=name) for name in ("d1", "d2", "d3")])
    assert (await house.call("DeleteResources", admin, wanted)).deleted == 1
    manager = house.caller(org, scopes=ALL | {"labels.manage"})
    assert (await house.call("DeleteResources", manager, wanted)).deleted == 1
