"""What PlanRetrieval chooses is what Authorize allows: by data, by SQL in PostgreSQL, and through the service."""

from __future__ import annotations

import psycopg
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from bench.plan import compared
from tests.contract.tenancy.house import SCOPES, House
from tests.support.stores import DataStores

ALL = SCOPES | {"resources.write"}
PLAN = pb.PlanRetrievalRequest(resource_type="Document", action="document.read")


def test_random_policies_and_rows(data_stores: DataStores) -> None:
    found = compared(data_stores.admin_dsn, range(1_000_000, 1_000_300))
    assert (found.disagreements, found.wider) == (0, 0)
    assert found.chosen > 100
    assert found.rows - found.allowed > 100
    assert 10 < found.partial < 200


async def test_the_plan_of_each_role_over_the_callers_own_table(house: House) -> None:
    org = await house.organisation()
    admin = house.caller(org, scopes=ALL)
    await house.call("PutBrand", admin, pb.PutBrandRequest(brand=pb.Brand(brand="club")))
    callers = [
        admin,
        await house.member(org, "bob", "member", brands=("shop",)),
        await house.member(org, "vera", "viewer"),
        house.caller(org, "stranger"),
    ]
    rows = [
        (f"d{n}", owner, brand, labels)
        for n, (owner, brand, labels) in enumerate(
            (owner, brand, labels)
            for owner in ("", "bob")
            for brand in ("", "shop", "club")
            for labels in ([], ["private"], ["restricted"], ["private", "restricted"])
        )
    ]
    facts = [
        pb.ResourceFacts(resource=pb.Resource(type="Document", id=name), owner=owner, brand=brand, labels=labels)
        for name, owner, brand, labels in rows
    ]
    await house.call("PutResources", admin, pb.PutResourcesRequest(facts=facts))
    with psycopg.connect(house.stores.admin_dsn) as connection:
        connection.execute("CREATE TEMP TABLE own (tenant text, doc text, who text, brand text, tags text[])")
        for name, owner, brand, labels in rows:
            connection.execute("INSERT INTO own VALUES (%s, %s, %s, %s, %s)", [org, name, owner or None, brand, labels])
            connection.execute("INSERT INTO own VALUES ('elsewhere', %s, %s, %s, %s)", [name, owner, brand, labels])
        for caller in callers:
            request = pb.PlanRetrievalRequest(
                resource_type="Document",
                action="document.read",
                placeholders=pb.PLACEHOLDER_STYLE_FORMAT,
                columns=[
                    pb.FieldColumn(field=pb.RESOURCE_FIELD_ORGANISATION, column="own.tenant"),
                    pb.FieldColumn(field=pb.RESOURCE_FIELD_ID, column="doc"),
                    pb.FieldColumn(field=pb.RESOURCE_FIELD_OWNER, column="who"),
                    pb.FieldColumn(field=pb.RESOURCE_FIELD_BRAND, column="brand"),
                    pb.FieldColumn(field=pb.RESOURCE_FIELD_LABELS, column="own.tags"),
                ],
            )
            plan = await house.call("PlanRetrieval", caller, request)
            selected = connection.execute(
                f"SELECT tenant, doc FROM own WHERE {plan.sql} ORDER BY doc".encode(), list(plan.parameters)
            ).fetchall()
            assert {tenant for tenant, _ in selected} <= {org}
            asked = [
                pb.AuthorizeRequest(action="document.read", resource=pb.Resource(type="Document", id=name))
                for name, *_ in rows
            ]
            checked = await house.call("AuthorizeBatch", caller, pb.AuthorizeBatchRequest(questions=asked))
            allowed = [
                row[0] for row, one in zip(rows, checked.answers, strict=True) if one.outcome == common.OUTCOME_ALLOW
            ]
            assert sorted(allowed) == [name for _, name in selected]
            assert not plan.partial


async def test_what_a_plan_says(house: House) -> None:
    org = await house.organisation()
    stranger = await house.call("PlanRetrieval", house.caller(org, "eve"), PLAN)
    assert (stranger.outcome, stranger.reach, stranger.sql) == (
        common.OUTCOME_DENY,
        pb.RETRIEVAL_REACH_NOTHING,
        "FALSE",
    )
    assert stranger.filter.operator == pb.FILTER_OPERATOR_NEVER
    unknown = await house.call(
        "PlanRetrieval",
        house.caller(org),
        pb.PlanRetrievalRequest(resource_type="Nothing", action="document.read"),
    )
    assert (unknown.outcome, unknown.reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)
    admin = await house.call("PlanRetrieval", house.caller(org), PLAN)
    assert (admin.outcome, admin.reach) == (common.OUTCOME_ALLOW, pb.RETRIEVAL_REACH_CONDITIONAL)
    assert (admin.filter.operator, admin.filter.parts[0].field) == (
        pb.FILTER_OPERATOR_AND,
        pb.RESOURCE_FIELD_ORGANISATION,
    )
    assert list(admin.filter.parts[0].values) == [org]
    assert admin.parameters[0] == org
    assert "$1" in admin.sql
    assert org not in admin.sql
