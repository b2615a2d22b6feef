"""One organisation cannot see or reach another: by SQL as the service's own role, nor through the service."""

from __future__ import annotations

import psycopg
import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from psycopg import sql

from services.kit.errors import KitError
from services.kit.postgres import Database
from services.tenancy.adapters.brands import PostgresBrands
from services.tenancy.adapters.invitation_store import PostgresInvitations
from services.tenancy.adapters.postgres import PostgresStore
from services.tenancy.adapters.settings_store import PostgresSettings
from tests.contract.tenancy.house import House, with_proof

TABLES = (
    "organisations",
    "brands",
    "members",
    "member_brands",
    "resources",
    "documents",
    "chunks",
    "content_keys",
    "knowledge_spaces",
)


async def rows(house: House, proof: str, table: str, org: str) -> int:
    """Rows of `org` that the service's role sees with a proof."""
    dsn = house.stores.service_dsn("tenancy")
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
        counted = await connection.execute(
            sql.SQL("SELECT count(*) FROM tenancy.{} WHERE org_id = %s").format(sql.Identifier(table)), [org]
        )
        row = await counted.fetchone()
        return int(row[0]) if row else -1


@pytest.mark.parametrize("table", TABLES)
async def test_a_table_shows_rows_only_to_the_proven_tenant(house: House, table: str) -> None:
    own, other = await house.organisation(), await house.organisation()
    for org in (own, other):
        await house.member(org, "bob", "member", brands=("shop",))
        await house.call("PutDocument", house.caller(org), pb.PutDocumentRequest(document="d1", text="kept"))
    assert await rows(house, house.stores.proof(own), table, own) > 0
    for proof in (
        "",
        own,
        house.stores.proof(other),
        house.stores.proof(own, -1),
        house.stores.proof(own, key=b"k" * 32),
        house.stores.proof(other).replace(other, own),
    ):
        assert await rows(house, proof, table, own) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES (%s, 'eve', '{owner}', true)",
        "INSERT INTO tenancy.brands (org_id, brand_id) VALUES (%s, 'evil')",
        "INSERT INTO tenancy.member_brands (org_id, user_id, brand_id) VALUES (%s, 'ann', 'shop')",
        "UPDATE tenancy.members SET org_id = %s",
        "UPDATE tenancy.organisations SET plan = 'enterprise' WHERE org_id <> %s",
        "DELETE FROM tenancy.organisations WHERE org_id <> %s",
        "INSERT INTO tenancy.organisations (org_id, display_name, plan) VALUES (%s || 'x', '', 'free')",
    ],
)
async def test_no_row_is_written_for_another_tenant(house: House, statement: str) -> None:
    own, other = await house.organisation(), await house.organisation()
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn("tenancy")) as connection:
        await connection.execute("SELECT set_config('hauberk.org', %s, true)", [house.stores.proof(own)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement, [other])


async def test_adapters_with_a_wrong_proof_find_nothing(house: House) -> None:
    own, other = await house.organisation(), await house.organisation()
    database = Database(house.stores.service_dsn("tenancy"))
    await database.open()
    try:
        store = PostgresStore(database)
        # Row-level security alone: the statements name `other`, and the proof is of `own`; and of nobody.
        for proof in (house.stores.proof(own), "", "garbage"):
            lost = with_proof(house.caller(other), proof)
            facts = await store.facts(lost, ["shop"])
            assert (facts.standing, facts.brands) == (None, frozenset())
            assert await store.principal(lost, "shop") == (None, None)
            assert await PostgresBrands(database).list(lost, None, "", 10) == ()
            assert await store.list_members(lost, "", 10) == ()
            assert await store.get_member(lost, "ann") is None
            assert await store.change_member(lost, "ann", lambda *_: None) == (None, None)
            assert await PostgresSettings(database).get(lost) is None
            assert await PostgresInvitations(database).page(lost, "", 10) == ()
    finally:
        await database.close()
    assert (await house.ask(house.caller(other), "chat.send", "Brand", "shop")).outcome == common.OUTCOME_ALLOW


async def test_foreign_and_unknown_brands_are_one_answer(house: House) -> None:
    own, other = await house.organisation("shop"), await house.organisation("club")
    asker = house.caller(own)
    answers = [await house.ask(asker, "chat.send", kind, name) for kind, name in
               (("Brand", "club"), ("Brand", "nowhere"), ("Organisation", other), ("Organisation", "nobody"),
                ("Document", "d1"))]  # fmt: skip
    assert {answer.SerializeToString(deterministic=True) for answer in answers} == {
        answers[0].SerializeToString(deterministic=True)
    }
    assert (answers[0].outcome, answers[0].reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)


async def test_a_member_elsewhere_is_a_stranger_here(house: House) -> None:
    own, other = await house.organisation(admin="ann"), await house.organisation(admin="zoe")
    assert (await house.ask(house.caller(own, "zoe"), "brands.read", "Brand", "shop")).outcome == common.OUTCOME_DENY
    assert (await house.ask(house.caller(other, "zoe"), "brands.read", "Brand", "shop")).outcome == common.OUTCOME_ALLOW
    with pytest.raises(KitError, match="no permission"):
        await house.call("ListMembers", house.caller(own, "zoe"), pb.ListMembersRequest())
