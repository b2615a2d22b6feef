"""A database administrator changes rows by hand; Verify says where and what."""

from __future__ import annotations

import psycopg
import pytest

from tests.contract.audit.house import House

SIZE = 250  # more than two pages
_AT = "WHERE org_id = %(org)s AND sequence = %(at)s"
ALTERED, GAP, TRUNCATED = "altered", "gap", "truncated"
CASES = {
    "a flipped byte": (f"UPDATE audit.events SET canonical = set_byte(canonical, 20, 33) {_AT}", ALTERED),
    "another hash": (f"UPDATE audit.events SET hash = sha256(hash) {_AT}", ALTERED),
    "another link": (f"UPDATE audit.events SET prev = sha256(prev) {_AT}", ALTERED),
    "column code": (f"UPDATE audit.events SET code = 'auth.other' {_AT}", ALTERED),
    "column at": (f"UPDATE audit.events SET at = at + interval '1 microsecond' {_AT}", ALTERED),
    "column class": (f"UPDATE audit.events SET class = 'debug' {_AT}", ALTERED),
    "column outcome": (f"UPDATE audit.events SET outcome = 'ALLOW' {_AT}", ALTERED),
    "column actor": (f"UPDATE audit.events SET actor = 'eve' {_AT}", ALTERED),
    "column event_id": (f"UPDATE audit.events SET event_id = 'x/auth/Test/2' {_AT}", ALTERED),
    "rehashed alone": (
        f"UPDATE audit.events SET canonical = canonical || ' ', hash = sha256(prev || canonical || ' ') {_AT}",
        ALTERED,
    ),
    "a deleted row": (f"DELETE FROM audit.events {_AT}", GAP),
}


async def damaged(house: House, statement: str, at: int, org: str = "") -> tuple[str, int, bool]:
    org = org or house.organisation()
    await house.fill(org, SIZE)
    await house.admin(statement, {"org": org, "at": at})
    answer = await house.verify(org)
    return answer.problem, answer.first_bad_sequence, answer.intact


@pytest.mark.parametrize("name", CASES)
async def test_a_row_changed_by_hand(house: House, name: str) -> None:
    statement, problem = CASES[name]
    assert await damaged(house, statement, 123) == (problem, 123, False)


@pytest.mark.parametrize("at", [1, 100, 101, SIZE])
async def test_wherever_it_is(house: House, at: int) -> None:
    assert await damaged(house, CASES["a flipped byte"][0], at) == (ALTERED, at, False)


async def test_swapped_rows(house: House) -> None:
    # The key is checked row by row, so the rows change everything but their key.
    columns = ("event_id", "at", "code", "canonical", "prev", "hash")
    assignments = ", ".join(f"{name} = o.{name}" for name in columns if name != "event_id")
    swap = f"""
        UPDATE audit.events e SET {assignments} FROM audit.events o
        WHERE e.org_id = %(org)s AND o.org_id = e.org_id AND e.sequence + o.sequence = 31 AND e.sequence IN (10, 21)
    """
    assert await damaged(house, swap, 0) == (ALTERED, 10, False)


async def test_a_truncated_tail(house: House) -> None:
    org = house.organisation()
    cut = "DELETE FROM audit.events WHERE org_id = %(org)s AND sequence > 200"
    assert await damaged(house, cut, 0, org) == (TRUNCATED, 201, False)
    # Looking was itself appended, behind the hole: from now on something is missing in between.
    answer = await house.verify(org)
    assert (answer.problem, answer.first_bad_sequence) == (GAP, 201)


async def test_an_event_put_in_past_the_end_stops_the_chain_loudly(house: House) -> None:
    org = house.organisation()
    await house.fill(org, 3)
    await house.admin(
        "INSERT INTO audit.events SELECT org_id, 9, 'x/auth/Test/9', at, code, class, outcome, actor, trace_id,"
        " canonical, hash, hash, position, sealed_at FROM audit.events WHERE org_id = %s AND sequence = 3",
        [org],
    )
    answer = await house.verify(org)
    assert (answer.intact, answer.problem) == (False, ALTERED)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.events SET code = 'auth.other' WHERE org_id = %(org)s",
        "DELETE FROM audit.events WHERE org_id = %(org)s",
        "TRUNCATE audit.events",
        "INSERT INTO audit.events SELECT * FROM audit.events WHERE org_id = %(org)s",
        "UPDATE audit.heads SET sequence = 0 WHERE org_id = %(org)s",
        "DELETE FROM audit.heads WHERE org_id = %(org)s",
        "INSERT INTO audit.heads (org_id) VALUES ('nobody')",
        "ALTER TABLE audit.events DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit.events",
        "CREATE OR REPLACE FUNCTION audit.seal(org text, most integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM audit.inbox",
        "UPDATE audit.inbox SET canonical = ''",
        "DELETE FROM audit.known",
        "INSERT INTO audit.known VALUES ('acme', 'x')",
        "DELETE FROM audit.checkpoints",
        "UPDATE audit.checkpoints SET signature = ''",
        "DELETE FROM audit.subject_keys",
        "DELETE FROM audit.anchored",
        "SET ROLE hauberk_lookup",
        "SET ROLE hauberk_owner",
    ],
)
@pytest.mark.parametrize("role", ["audit", "auth"])
async def test_no_service_changes_what_was_written(house: House, statement: str, role: str) -> None:
    org = house.organisation()
    ids = await house.fill(org, 3)
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn(role)) as connection:
        await connection.execute("SELECT set_config('hauberk.org', %s, true)", [house.stores.proof(org)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement, {"org": org})
    assert await house.stored(org) == ids


@pytest.mark.parametrize("role", ["auth", "audit_sealer"])
async def test_the_door_is_closed_to_others(house: House, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn(role)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT audit.take_in('acme', '{}', %b)", [[b"{}"]])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT audit.seal('acme', 1)",
        "SELECT * FROM audit.chain('acme', 0, 9, 9)",
        "SELECT * FROM audit.sealed_after(0, 9)",
        "SELECT audit.put_checkpoint('acme', 1, sha256(''), now(), '', '1', '')",
        "SELECT audit.mark_anchored('acme', 'folder', 9)",
        "SELECT audit.ensure_partitions(1)",
    ],
)
async def test_who_takes_events_in_neither_seals_nor_signs(house: House, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn("audit")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement.encode())


async def test_the_door_takes_no_event_of_another_organisation(house: House) -> None:
    body = b'{"organisation":"globex","event_id":"a/b/c/d"}'
    async with await psycopg.AsyncConnection.connect(house.stores.service_dsn("audit")) as connection:
        with pytest.raises(psycopg.errors.RaiseException):
            await connection.execute("SELECT audit.take_in('acme', '{}', %b)", [[body]])
