"""Tool calls against the real tenancy and PostgreSQL: nobody's tool, nobody's permission, nobody else's resource."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.guardrail.world import World

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "shop": {"type": "string", "x-resource": "Brand"},
            "shops": {"type": "array", "items": {"type": "string"}, "x-resource": "Brand"},
            "amount": {"type": "integer", "minimum": 1, "maximum": 500},
            "mail": {"type": "string", "x-egress": True},
        },
        "required": ["amount"],
    }
)


async def put(world: World, org: str, name: str = "refund", permission: str = "tools.call", **more: Any) -> str:
    tool = pb.Tool(tool=name, schema_json=more.pop("schema", SCHEMA), permission=permission, description="Refunds.")
    answer = await world.ask("PutTool", pb.PutToolRequest(tool=tool), org, **more)
    return str(answer.definition_hash)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def orgs(session_world: World) -> tuple[str, str]:
    """Two organisations; each has a brand of its own name beside `shop`, bob is a member of shop only, vic a viewer."""
    names = (await session_world.organisation(), await session_world.organisation())
    for name in names:
        brand = tenancy_pb.PutBrandRequest(brand=tenancy_pb.Brand(brand=f"own-{name[4:]}", zone="UTC"))
        await session_world.tenancy("PutBrand", brand, name)
        for member in (
            tenancy_pb.Member(user="bob", roles=["member"], brands=["shop"]),
            tenancy_pb.Member(user="vic", roles=["viewer"]),
        ):
            await session_world.tenancy("PutMember", tenancy_pb.PutMemberRequest(member=member), name)
    await put(session_world, names[0])
    await put(session_world, names[0], "owner-only", "orders.refund")
    return names


def own(org: str) -> str:
    return f"own-{org[4:]}"


def refused(answer: pb.CheckToolCallResponse) -> tuple[Any, ...]:
    assert answer.outcome == common.OUTCOME_DENY
    assert (answer.arguments_json, answer.arguments_sha256) == ("", "")
    return answer.reason, answer.repair, answer.definition_hash


async def test_the_exact_bytes_come_back_with_their_digest(world: World, orgs: tuple[str, str]) -> None:
    text = '{ "amount": 5,  "shop":"shop", "mail":"é" }'
    answer = await world.call(orgs[0], "refund", text, user="bob")
    assert (answer.outcome, answer.reason, answer.repair) == (common.OUTCOME_ALLOW, common.REASON_NONE, "")
    assert answer.arguments_json == text
    assert answer.arguments_sha256 == hashlib.sha256(text.encode()).hexdigest()
    described = await world.ask("DescribeTool", pb.DescribeToolRequest(tool="refund"), orgs[0], user="bob")
    assert described.definition_hash == answer.definition_hash
    assert list(described.egress_arguments) == ["/mail"]


async def test_unknown_foreign_and_hidden_tools_are_one_answer(world: World, orgs: tuple[str, str]) -> None:
    unknown = refused(await world.call(orgs[0], "nothing", '{"amount":5}', user="bob"))
    assert unknown[0] == common.REASON_NOT_PERMITTED and unknown[2] == ""
    assert unknown == refused(await world.call(orgs[0], "owner-only", '{"amount":5}', user="bob"))
    assert unknown == refused(await world.call(orgs[0], "owner-only", '{"amount":', user="bob"))
    assert unknown == refused(await world.call(orgs[0], "refund", '{"amount":5}', user="vic"))
    assert unknown == refused(await world.call(orgs[0], "refund", '{"amount":5}', user="stranger"))
    assert unknown == refused(await world.call(orgs[1], "refund", '{"amount":5}'))
    for org, user, tool in ((orgs[0], "bob", "nothing"), (orgs[0], "bob", "owner-only"), (orgs[1], "ann", "refund")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.ask("DescribeTool", pb.DescribeToolRequest(tool=tool), org, user=user)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("where", ["shop", "shops"])
async def test_another_organisations_brand_has_the_reason_of_the_users_own_call(
    world: World, orgs: tuple[str, str], where: str
) -> None:
    resource = tenancy_pb.Resource(type="Brand", id=own(orgs[1]))
    mine = await world.tenancy(
        "Authorize", tenancy_pb.AuthorizeRequest(action="tools.call", resource=resource), orgs[0]
    )
    repairs = set()
    for brand in (own(orgs[1]), "no-such-brand", "../x y", ""):
        value: Any = ["shop", brand] if where == "shops" else brand
        answer = await world.call(orgs[0], "refund", json.dumps({"amount": 5, where: value}))
        reason, repair, _ = refused(answer)
        assert reason == mine.reason == common.REASON_NOT_PERMITTED
        assert not brand or brand not in repair
        repairs.add(repair)
    assert len(repairs) == 1


async def test_a_member_reaches_its_brands_only(world: World, orgs: tuple[str, str]) -> None:
    text = json.dumps({"amount": 5, "shop": own(orgs[0])})
    assert (await world.call(orgs[0], "refund", text)).outcome == common.OUTCOME_ALLOW
    assert refused(await world.call(orgs[0], "refund", text, user="bob"))[0] == common.REASON_NOT_PERMITTED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"amount":"5"}', "/amount: must be of type integer"),
        ('{"amount":501}', "/amount: must be at most 500"),
        ('{"amount":5,"amount":6}', "key twice"),
        ('{"amount":NaN}', "NaN"),
        ('{"amount":5,"organisation":"x"}', "only these fields are taken"),
        ("{}", "missing amount"),
        ("", "strict JSON"),
    ],
)
async def test_wrong_arguments_are_refused_with_words_to_repair_from(
    world: World, orgs: tuple[str, str], text: str, words: str
) -> None:
    reason, repair, digest = refused(await world.call(orgs[0], "refund", text, user="bob"))
    assert reason == common.REASON_TOOL_CALL_REFUSED and words in repair and digest


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_call_with_another_organisations_id_is_ever_allowed(
    world: World, orgs: tuple[str, str], data: st.DataObject
) -> None:
    foreign = own(orgs[1])
    escaped = "".join(f"\\u{ord(character):04x}" for character in foreign)
    spellings = [
        foreign,
        foreign.upper(),
        f" {foreign}",
        f"{orgs[1]}/{foreign}",
        f"{foreign}\x00",
        f"{foreign}/",
        escaped,
    ]
    spelled = data.draw(st.sampled_from(spellings))
    around = data.draw(st.lists(st.sampled_from(["shop", own(orgs[0])]), max_size=4))
    place = data.draw(st.integers(0, len(around)))
    value = json.dumps(spelled) if "\\u" not in spelled else f'"{spelled}"'
    listed = [json.dumps(each) for each in around]
    listed.insert(place, value)
    text = data.draw(
        st.sampled_from(
            [f'{{"amount":5,"shop":{value}}}', f'{{"amount":5,"shops":[{",".join(listed)}],"shop":"shop"}}']
        )
    )
    answer = await world.call(orgs[0], "refund", text, user=data.draw(st.sampled_from(["ann", "bob", "vic"])))
    assert refused(answer)[0] == common.REASON_NOT_PERMITTED


async def test_listing_shows_what_calling_allows(world: World, orgs: tuple[str, str]) -> None:
    async def names(org: str, user: str, size: int = 0) -> list[str]:
        found, token = [], ""
        while True:
            request = pb.ListToolsRequest(page_size=size, page_token=token)
            answer = await world.ask("ListTools", request, org, user=user)
            found += [tool.tool for tool in answer.tools]
            token = answer.next_page_token
            if not token:
                return found

    assert await names(orgs[0], "ann") == await names(orgs[0], "ann", 1) == ["owner-only", "refund"]
    assert await names(orgs[0], "bob") == ["refund"]
    for org, user in ((orgs[0], "vic"), (orgs[0], "stranger"), (orgs[1], "ann"), (orgs[1], "bob")):
        assert await names(org, user) == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ask("ListTools", pb.ListToolsRequest(page_token="bm90aGluZw"), orgs[0])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_may_register(world: World, orgs: tuple[str, str]) -> None:
    for user, scopes in (
        ("bob", {"tools.manage"}),
        ("vic", {"tools.manage"}),
        ("ann", set()),
        ("stranger", {"tools.manage"}),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await put(world, orgs[0], "evil", user=user, scopes=frozenset(scopes))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for schema in ("{}", "no", '{"type":"object","patternProperties":{}}'):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await put(world, orgs[0], "evil", schema=schema)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_new_definition_has_another_hash(world: World, orgs: tuple[str, str]) -> None:
    first = await put(world, orgs[1], "ship")
    assert first == await put(world, orgs[1], "ship")
    assert first != await put(world, orgs[1], "ship", "orders.refund")


async def test_the_database_alone_keeps_tools_apart(world: World, orgs: tuple[str, str]) -> None:
    dsn = world.stores.service_dsn("guardrail")
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        for proof, count in (("", 0), (world.stores.proof(orgs[0]), 2)):
            await connection.execute("SELECT set_config('hauberk.org', %s, false)", [proof])
            row = await (await connection.execute("SELECT count(*) FROM guardrail.tools")).fetchone()
            assert row == (count,)
        for attempt in (
            "UPDATE guardrail.tools SET org_id = 'other'",
            "DELETE FROM guardrail.tools",
            "INSERT INTO guardrail.tools SELECT 'other-org', tool, schema_json, permission, description,"
            " definition_hash, changed_by FROM guardrail.tools",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(attempt)
            await connection.rollback()
            await connection.execute("SELECT set_config('hauberk.org', %s, false)", [world.stores.proof(orgs[0])])


@pytest.mark.parametrize("method", ["CheckToolCall", "DescribeTool", "ListTools", "PutTool"])
async def test_without_tenancy_nothing_is_decided(world: World, orgs: tuple[str, str], method: str) -> None:
    requests: dict[str, Any] = {
        "CheckToolCall": pb.CheckToolCallRequest(tool="refund", arguments_json='{"amount":5}'),
        "DescribeTool": pb.DescribeToolRequest(tool="refund"),
        "ListTools": pb.ListToolsRequest(),
        "PutTool": pb.PutToolRequest(tool=pb.Tool(tool="x", schema_json=SCHEMA, permission="tools.call")),
    }
    world.away.add("tenancy")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.ask(method, requests[method], orgs[0])
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_suspended_organisation_makes_no_calls(world: World) -> None:
    name = await world.organisation()
    await put(world, name)
    request = tenancy_pb.UpdateOrganisationRequest(organisation=name, status=tenancy_pb.ORGANISATION_STATUS_SUSPENDED)
    await world.apps["tenancy"].mounts[0].servicer.UpdateOrganisation(request, None)
    for tool in ("refund", "nothing"):
        answer = await world.call(name, tool, '{"amount":5}')
        assert refused(answer)[0] == common.REASON_ORGANISATION_SUSPENDED
