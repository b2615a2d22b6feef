"""Sessions through the contract, on real stores: how they begin, what they carry, who sees and ends them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import jwt
import psycopg
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from services.auth.policy import sessions
from tests.contract.auth.house import ALLOW, OPERATOR, SHOP, TOKEN, House, opened
from tests.contract.auth.session_desk import (
    MISSING,
    PRECONDITION,
    REFUSED,
    alter,
    new_key,
    open_session,
    present,
    put_member,
    revoke,
    rotate,
    said,
    shown,
    status_of,
)
from tests.support.stores import DataStores, Holder


async def test_a_session_stands_for_its_user_and_brand(house: House) -> None:
    name, key = await house.organisation()
    made = await open_session(house, key, client_address="192.0.2.77", user_agent="Browser/1")
    assert sessions.inspect(made.session, "hbk", "test").value == "none"
    assert made.session.startswith("hbks_test_")
    assert made.idle_limit.seconds == 1800
    answer = await present(house, made.session)
    assert (answer.outcome, answer.reason) == (ALLOW, decision_pb2.REASON_NONE)
    by_key = await house.authenticate(key)
    assert answer.principal.session_id == made.session_id
    answer.principal.ClearField("session_id")
    assert answer.principal == by_key.principal
    assert answer.principal.organisation == name
    claims = jwt.decode(answer.txn_token, options={"verify_signature": False})
    own = jwt.decode(by_key.txn_token, options={"verify_signature": False})
    assert (claims["sid"], claims["cid"]) == (made.session_id, own["cid"])
    assert own["sid"] == ""
    (row,) = await shown(house, answer.txn_token)
    assert (row.session_id, row.subject, row.brand, row.current) == (made.session_id, "ann", "shop", True)
    assert (row.network, len(row.agent)) == ("192.0.2.0/24", 16)
    assert not (await shown(house, by_key.txn_token))[0].current


async def test_the_session_is_kept_nowhere(house: House) -> None:
    name, key = await house.organisation()
    made = await open_session(house, key, client_address="192.0.2.77", user_agent="Browser/1")
    await present(house, made.session)
    assert all(made.session.encode() not in entry for entry in await house.redis.client.keys("*"))
    async with house.database.tenant(Holder(house.stores.proof(name))) as connection:
        ((text,),) = await (await connection.execute("SELECT s::text FROM auth.sessions AS s")).fetchall()
    for secret in (made.session, "192.0.2.77", "Browser/1"):
        assert secret not in text


@pytest.mark.parametrize(
    ("asked", "key_life", "expected"),
    [
        (None, 0, 86_400),
        (600, 0, 600),
        (2_592_000, 0, 86_400),
        (None, 3600, 3600),
        (7200, 3600, 3600),
        (600, 3600, 600),
    ],
)
async def test_no_session_lives_beyond_plan_credential_or_wish(
    house: House, asked: int | None, key_life: int, expected: int
) -> None:
    _, key = await house.organisation()
    if key_life:
        key = (await new_key(house, key, "ann", seconds=key_life)).api_key
    made = await open_session(house, key, seconds=asked)
    (row,) = await shown(house, await house.token(key))
    life = row.expires_at.ToDatetime() - row.created_at.ToDatetime()
    assert expected - 5 <= life.total_seconds() <= expected
    assert made.expires_at == row.expires_at


@pytest_asyncio.fixture(loop_scope="session")
async def few(data_stores: DataStores, tmp_path: Path) -> AsyncIterator[House]:
    """Services on a policy of two sessions for each user."""
    policy = tmp_path / "auth.yaml"
    policy.write_text(
        'version: "few"\nplans: [free, pro]\ndefault_plan: free\n'
        "sessions: {life_seconds: {free: 600, pro: 1200}, idle_seconds: 60, most_live: {free: 1, pro: 2}}\n"
    )
    async with opened(data_stores, auth_policy=policy, memory_seconds=0) as made:
        yield made


async def test_a_user_has_so_many_live_sessions_and_no_more(few: House) -> None:
    _, key = await few.organisation()
    token = await few.token(key)
    calls = [few.call("CreateSession", token, pb.CreateSessionRequest()) for _ in range(6)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, pb.CreateSessionResponse)]
    refused = [answer for answer in answers if isinstance(answer, aio.AioRpcError)]
    assert (len(made), len(refused)) == (2, 4)
    assert {error.code() for error in refused} == {PRECONDITION}
    assert [(await present(few, one.session)).outcome for one in made] == [ALLOW, ALLOW]
    await rotate(few, made[1].session)  # replaces one, adds none
    assert (await status_of(open_session(few, key)))[0] is PRECONDITION
    # What has ended, in whatever way, counts no more.
    await few.call("RevokeSession", token, pb.RevokeSessionRequest(session_id=made[0].session_id))
    third = await open_session(few, key)
    alter(few, third.session_id, "last_seen_at = clock_timestamp() - interval '61 s'")
    assert (await open_session(few, key)).idle_limit.seconds == 60


async def test_the_plan_decides(few: House) -> None:
    name, key = await few.organisation()
    assert (await open_session(few, key)).session
    plan = tenancy_pb.UpdateOrganisationRequest(organisation=name, plan="free")
    await few.tenancy(OPERATOR).UpdateOrganisation(plan)
    await put_member(few, key, "bob", "member")
    bob = (await new_key(few, key, "bob")).api_key
    await open_session(few, bob)
    (row,) = await shown(few, await few.token(bob))
    assert 595 <= (row.expires_at.ToDatetime() - row.created_at.ToDatetime()).total_seconds() <= 600
    assert (await status_of(open_session(few, bob)))[0] is PRECONDITION


async def test_another_brand_is_refused_like_any_bad_credential(house: House) -> None:
    _, key = await house.organisation()
    brand = tenancy_pb.PutBrandRequest(brand=tenancy_pb.Brand(brand="other-shop", display_name="Other"))
    await house.tenancy(SHOP).PutBrand(brand, metadata=((TOKEN, await house.token(key)),))
    made = await open_session(house, key)
    assert await said(house, made.session, brand="other-shop") == REFUSED
    assert await said(house, made.session, brand="no-such-shop") == REFUSED
    assert (await said(house, made.session, brand="shop"))[0] == ALLOW


async def test_a_user_ends_own_sessions_and_nobody_elses(house: House) -> None:
    _, admin = await house.organisation()
    _, foreign = await house.organisation()
    await put_member(house, admin, "bob", "member")
    bob = (await new_key(house, admin, "bob")).api_key
    anns, bobs, theirs = [await open_session(house, key) for key in (admin, bob, foreign)]
    token = await house.token(bob)
    answers = [await status_of(revoke(house, token, one)) for one in (anns.session_id, theirs.session_id)]
    answers.append(await status_of(revoke(house, token, "ses_" + "0" * 22)))
    assert answers[0][0] is MISSING
    assert answers.count(answers[0]) == 3, "another user's, foreign and unknown are one answer"
    await revoke(house, token, bobs.session_id)
    await revoke(house, token, bobs.session_id)  # safe to repeat
    assert await said(house, bobs.session) == REFUSED
    for one in (anns, theirs):
        assert (await present(house, one.session)).outcome == ALLOW
    assert (await status_of(house.call("ListSessions", token, pb.ListSessionsRequest(subject="ann"))))[0] is (
        grpc.StatusCode.PERMISSION_DENIED
    )


async def test_with_the_scope_anybodys_of_the_organisation(house: House) -> None:
    _, admin = await house.organisation()
    _, foreign = await house.organisation()
    await put_member(house, admin, "bob", "member")
    bobs = await open_session(house, (await new_key(house, admin, "bob")).api_key)
    theirs = await open_session(house, foreign)
    token = await house.token(admin)
    assert [row.session_id for row in await shown(house, token, subject="bob")] == [bobs.session_id]
    assert (await status_of(revoke(house, token, theirs.session_id)))[0] is MISSING
    await revoke(house, token, bobs.session_id)
    assert await said(house, bobs.session) == REFUSED
    assert await shown(house, token, subject="bob") == []


async def test_lists_come_in_pages_and_never_show_a_secret(house: House) -> None:
    _, key = await house.organisation()
    made = [await open_session(house, key) for _ in range(5)]
    token, found, page = await house.token(key), [], ""
    while True:
        request = pb.ListSessionsRequest(page_size=2, page_token=page)
        answer = await house.call("ListSessions", token, request)
        assert all(one.session not in str(answer) for one in made)
        found += [row.session_id for row in answer.sessions]
        page = answer.next_page_token
        if not page:
            break
    assert found == [one.session_id for one in made]
    bad = pb.ListSessionsRequest(page_token="bm90LW91cnM")
    assert (await status_of(house.call("ListSessions", token, bad)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_session_opens_no_session(house: House) -> None:
    _, key = await house.organisation()
    made = await open_session(house, key)
    own = (await present(house, made.session)).txn_token
    assert (await status_of(house.call("CreateSession", own, pb.CreateSessionRequest())))[0] is PRECONDITION


async def test_only_auth_may_ask_whose_session_a_digest_is_and_sees_no_list(house: House) -> None:
    name, key = await house.organisation()
    await open_session(house, key)
    async with house.database.tenant(Holder(house.stores.proof(name))) as connection:
        row = await (await connection.execute("SELECT digest FROM auth.sessions")).fetchone()
    assert row is not None
    question = "SELECT (session).org_id FROM auth.session_by_digest(%s)"
    async with house.database.anonymous() as connection:
        assert await (await connection.execute(question, [row[0]])).fetchall() == [(name,)]
        assert await (await connection.execute(question, [secrets.token_bytes(32)])).fetchall() == []
        assert await (await connection.execute("SELECT FROM auth.sessions")).fetchall() == []
    for service in ("tenancy", "ratelimit", "redaction", "audit"):
        dsn = house.stores.service_dsn(service)
        with psycopg.connect(dsn) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute(question, [row[0]])


async def test_the_database_itself_refuses_a_reserved_scope(house: House) -> None:
    _, key = await house.organisation()
    made = await open_session(house, key)
    with pytest.raises(psycopg.errors.CheckViolation):
        alter(house, made.session_id, "scopes = scopes || '{restore}'")
