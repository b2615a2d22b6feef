"""Conversations on a real PostgreSQL: kept sealed, continued by their user alone, and every tampering is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from tests.contract.tenancy.house import House

SAID = ("My number is 555-0100", "Noted.", "And my cat is Ada", "Hello Ada", "Bye")


async def say(house: House, caller: Caller, text: str, conversation: str = "c1", **more: Any) -> pb.AppendTurnResponse:
    asked = pb.AppendTurnRequest(conversation=conversation, role=common.ROLE_USER, text=text, **more)
    answer: pb.AppendTurnResponse = await house.call("AppendTurn", caller, asked)
    return answer


async def heard(house: House, caller: Caller, conversation: str = "c1", **more: Any) -> pb.ListTurnsResponse:
    asked = pb.ListTurnsRequest(conversation=conversation, **more)
    answer: pb.ListTurnsResponse = await house.call("ListTurns", caller, asked)
    return answer


def texts(answer: pb.ListTurnsResponse) -> list[str]:
    return [turn.text for turn in answer.turns]


def tamper(house: House, organisation: str, statement: str) -> None:
    """As the database's administrator, whom neither triggers nor foreign keys hold."""
    with psycopg.connect(house.stores.admin_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        done = connection.execute(statement.replace("$ORG", f"org_id = '{organisation}'").encode())
        assert done.rowcount > 0


@pytest.fixture
async def ann(house: House) -> Caller:
    """Who has said five things."""
    caller = replace(house.caller(await house.organisation()), plan="pro")
    for text in SAID:
        await say(house, caller, text)
    return caller


async def test_what_was_said_is_read_in_order(house: House, ann: Caller) -> None:
    answer = await heard(house, ann)
    assert texts(answer) == list(SAID)
    assert [turn.sequence for turn in answer.turns] == [1, 2, 3, 4, 5]
    assert answer.integrity == pb.INTEGRITY_INTACT
    assert not answer.next_page_token


async def test_pages_and_the_last_turns(house: House, ann: Caller) -> None:
    found: list[str] = []
    token = ""
    for _ in range(3):
        page = await heard(house, ann, page_size=2, page_token=token)
        assert page.integrity == pb.INTEGRITY_INTACT
        found += texts(page)
        token = page.next_page_token
    assert found == list(SAID)
    assert not token
    assert texts(await heard(house, ann, last=2)) == list(SAID[-2:])
    assert texts(await heard(house, ann, last=200)) == list(SAID)


async def test_nothing_that_was_said_lies_in_the_database(house: House, ann: Caller) -> None:
    with psycopg.connect(house.stores.admin_dsn) as connection:
        for table in ("turns", "conversations"):
            rows = connection.execute(
                f"SELECT to_jsonb(t)::text FROM tenancy.{table} t WHERE org_id = %s",
                [ann.organisation],
            ).fetchall()
            assert rows
            for row in rows:
                for text in SAID:
                    assert text not in row[0]
                    assert text.encode().hex() not in row[0]


TAMPERINGS = [
    (
        "a word",
        "UPDATE tenancy.turns SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE $ORG AND sequence = 3",
    ),
    ("a mark", "UPDATE tenancy.turns SET mark = sha256(mark) WHERE $ORG AND sequence = 3"),
    ("who spoke", "UPDATE tenancy.turns SET role = 1 WHERE $ORG AND sequence = 3"),
    ("when", "UPDATE tenancy.turns SET at_us = at_us + 1 WHERE $ORG AND sequence = 3"),
    (
        "another turn's text",
        "UPDATE tenancy.turns t SET sealed = o.sealed, mark = o.mark FROM tenancy.turns o"
        " WHERE t.org_id = o.org_id AND t.$ORG AND t.sequence = 3 AND o.sequence = 1",
    ),
    ("a turn", "DELETE FROM tenancy.turns WHERE $ORG AND sequence = 3"),
    (
        "the order",
        "UPDATE tenancy.turns SET sequence = 107 - sequence WHERE $ORG AND sequence IN (3, 4);"
        " UPDATE tenancy.turns SET sequence = sequence - 100 WHERE $ORG AND sequence > 100",
    ),
]


@pytest.mark.parametrize(("what", "statement"), TAMPERINGS, ids=[what for what, _ in TAMPERINGS])
async def test_an_altered_turn_ends_the_reading_before_it(house: House, ann: Caller, what: str, statement: str) -> None:
    tamper(house, ann.organisation, statement)
    answer = await heard(house, ann)
    assert texts(answer) == list(SAID[:2])
    assert answer.integrity in (pb.INTEGRITY_ALTERED, pb.INTEGRITY_MISSING)
    assert answer.broken_at == 3
    # A reading of the last turns begins behind a turn that does not prove itself, and gives nothing that was altered.
    last = await heard(house, ann, last=3)
    assert not texts(last)
    assert last.integrity != pb.INTEGRITY_INTACT


ENDINGS = [
    ("the tail is cut", "DELETE FROM tenancy.turns WHERE $ORG AND sequence >= 4"),
    ("the last mark", "UPDATE tenancy.turns SET mark = sha256(mark) WHERE $ORG AND sequence = 5"),
    ("the head is set back", "UPDATE tenancy.conversations SET head = 4 WHERE $ORG"),
    ("the head's proof", "UPDATE tenancy.conversations SET head_proof = sha256(head_proof) WHERE $ORG"),
    (
        "tail and head",
        "DELETE FROM tenancy.turns WHERE $ORG AND sequence = 5; UPDATE tenancy.conversations SET head = 4 WHERE $ORG",
    ),
    (
        "a turn is put behind the last",
        "INSERT INTO tenancy.turns (org_id, brand_id, user_id, conversation_id, sequence, role, at_us, sealed, mark)"
        " SELECT org_id, brand_id, user_id, conversation_id, 6, role, at_us, sealed, mark FROM tenancy.turns"
        " WHERE $ORG AND sequence = 5",
    ),
    (
        "the key",
        "UPDATE tenancy.conversations SET wrapped_key = set_byte(wrapped_key, 30, 255 - get_byte(wrapped_key, 30))"
        " WHERE $ORG",
    ),
]


@pytest.mark.parametrize(("what", "statement"), ENDINGS, ids=[what for what, _ in ENDINGS])
async def test_an_altered_end_is_found(house: House, ann: Caller, what: str, statement: str) -> None:
    tamper(house, ann.organisation, statement)
    answer = await heard(house, ann)
    assert answer.integrity in (pb.INTEGRITY_ALTERED, pb.INTEGRITY_MISSING)
    assert answer.broken_at
    assert len(answer.turns) < answer.broken_at
    if what != "a turn is put behind the last":  # whose number is taken: the database refuses the next one itself
        with pytest.raises(FailedPrecondition) as refused:
            await say(house, ann, "go on")
        assert refused.value.reason == "CONVERSATION_BROKEN"


async def test_a_turn_of_another_conversation_does_not_fit(house: House, ann: Caller) -> None:
    for text in SAID:
        await say(house, ann, text, "c2")
    tamper(
        house,
        ann.organisation,
        "UPDATE tenancy.turns t SET sealed = o.sealed, mark = o.mark, at_us = o.at_us FROM tenancy.turns o"
        " WHERE t.org_id = o.org_id AND t.$ORG AND t.sequence = 3 AND o.sequence = 3"
        " AND t.conversation_id = 'c1' AND o.conversation_id = 'c2'",
    )
    assert (await heard(house, ann)).broken_at == 3
    # Nor does the whole of it, key and all, in the first one's place.
    await house.call("ForgetConversation", ann, pb.ForgetConversationRequest(conversation="c1"))
    tamper(
        house,
        ann.organisation,
        "UPDATE tenancy.turns SET conversation_id = 'c1' WHERE $ORG",
    )
    tamper(house, ann.organisation, "UPDATE tenancy.conversations SET conversation_id = 'c1' WHERE $ORG")
    assert (await heard(house, ann)).integrity == pb.INTEGRITY_ALTERED


async def test_an_older_state_is_found_by_who_kept_a_witness(house: House, ann: Caller) -> None:
    kept = await say(house, ann, "six")
    with psycopg.connect(house.stores.admin_dsn) as connection:
        row = connection.execute(
            "SELECT head, head_proof FROM tenancy.conversations WHERE org_id = %s", [ann.organisation]
        ).fetchone()
    later = await say(house, ann, "seven")
    assert texts(await heard(house, ann, witness=kept.witness)) == [*SAID, "six", "seven"]
    with psycopg.connect(house.stores.admin_dsn) as connection:
        connection.execute("DELETE FROM tenancy.turns WHERE org_id = %s AND sequence = 7", [ann.organisation])
        assert row
        connection.execute(
            "UPDATE tenancy.conversations SET head = %s, head_proof = %s WHERE org_id = %s", [*row, ann.organisation]
        )
    assert texts(await heard(house, ann, witness=kept.witness)) == [*SAID, "six"]
    answer = await heard(house, ann, witness=later.witness)
    assert (answer.integrity, answer.broken_at, texts(answer)) == (pb.INTEGRITY_ROLLED_BACK, 7, [])


async def test_a_forgotten_conversation_is_gone(house: House, ann: Caller) -> None:
    kept = await say(house, ann, "six")
    await house.call("ForgetConversation", ann, pb.ForgetConversationRequest(conversation="c1"))
    answer = await heard(house, ann)
    assert (texts(answer), answer.integrity) == ([], pb.INTEGRITY_INTACT)
    assert (await heard(house, ann, witness=kept.witness)).integrity == pb.INTEGRITY_MISSING
    with psycopg.connect(house.stores.admin_dsn) as connection:
        for table in ("turns", "conversations"):
            left = connection.execute(f"SELECT FROM tenancy.{table} WHERE org_id = %s", [ann.organisation])
            assert left.rowcount == 0
    await house.call("ForgetConversation", ann, pb.ForgetConversationRequest(conversation="c1"))


async def test_the_same_id_is_another_conversation_for_anybody_else(house: House, ann: Caller) -> None:
    bob = await house.member(ann.organisation, "bob", "member")
    await house.call("PutBrand", ann, pb.PutBrandRequest(brand=pb.Brand(brand="other", display_name="")))
    elsewhere = house.caller(await house.organisation())
    for stranger in (bob, replace(ann, brand="other"), elsewhere):
        assert not texts(await heard(house, stranger))
        await say(house, stranger, "mine")
        await house.call("ForgetConversation", stranger, pb.ForgetConversationRequest(conversation="c1"))
    assert texts(await heard(house, ann)) == list(SAID)


async def test_who_may_not_speak_is_refused(house: House, ann: Caller) -> None:
    viewer = await house.member(ann.organisation, "vic", "viewer")
    stranger = house.caller(ann.organisation, "nobody")
    unreached = replace(await house.member(ann.organisation, "eve", "member", brands=("shop",)), brand="other")
    for caller in (viewer, stranger, unreached):
        with pytest.raises(PermissionDenied):
            await say(house, caller, "hello")
    for caller in (stranger, unreached):
        with pytest.raises(PermissionDenied):
            await heard(house, caller)
        with pytest.raises(PermissionDenied):
            await house.call("ForgetConversation", caller, pb.ForgetConversationRequest(conversation="c1"))


async def test_a_repeated_request_adds_one_turn(house: House, ann: Caller) -> None:
    first = await say(house, ann, "once", request_id="r-1")
    assert await say(house, ann, "once", request_id="r-1") == first
    assert len(texts(await heard(house, ann))) == 6
    with pytest.raises(FailedPrecondition) as refused:
        await say(house, ann, "something else", request_id="r-1")
    assert refused.value.reason == "REQUEST_ID_SPENT"


async def test_many_speak_at_once_and_nothing_is_lost(house: House) -> None:
    caller = house.caller(await house.organisation())
    said = [f"turn {number}" for number in range(24)]
    answers = await asyncio.gather(*(say(house, caller, text) for text in said))
    assert sorted(answer.sequence for answer in answers) == list(range(1, 25))
    answer = await heard(house, caller, page_size=200)
    assert sorted(texts(answer)) == sorted(said)
    assert answer.integrity == pb.INTEGRITY_INTACT


async def test_a_page_fits_into_a_message(house: House) -> None:
    caller, long = house.caller(await house.organisation()), "x" * 262_144
    for _ in range(17):
        await say(house, caller, long)
    found, token = 0, ""
    while True:
        page = await heard(house, caller, page_size=200, page_token=token)
        assert page.ByteSize() < 5_000_000
        assert page.integrity == pb.INTEGRITY_INTACT
        found += len(page.turns)
        token = page.next_page_token
        if not token:
            break
    assert found == 17
    assert len((await heard(house, caller, last=17)).turns) <= 17


async def test_what_cannot_be_asked(house: House, ann: Caller) -> None:
    page = await heard(house, ann, page_size=2)
    for more in ({"page_token": "bm9uZQ"}, {"page_token": page.next_page_token, "last": 3}):
        with pytest.raises(InvalidArgument):
            await heard(house, ann, **more)
