"""A session as the credential of whole requests: admitted, completed, ended, and all of it on record."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.auth.v1 import auth_service_pb2 as auth

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, allowed, by_key, fresh, said
from tests.support.sessions import credential, listed, opened, rotated, stub
from tests.support.waiting import eventually


@pytest_asyncio.fixture(loop_scope="session")
async def backend(stack: Stack) -> Backend:
    return Backend(stack)


async def events(backend: Backend, own: Metadata, session_id: str) -> list[Any]:
    trail, found, page = AuditServiceStub(backend.channel("audit")), list[Any](), ""
    while True:
        asked = audit.QueryRequest(page_size=200, page_token=page)
        got = await trail.Query(asked, timeout=DEADLINE, metadata=own)
        found += [event for event in got.events if event.facts.get("session") == session_id]
        page = got.next_page_token
        if not page:
            return found


async def test_a_whole_request_by_session(stack: Stack, backend: Backend) -> None:
    made = await opened(backend, by_key(stack.api_key))
    answer = await backend.admit(credential(made.session), "My SSN is 457-55-5462")
    assert allowed(answer), said(answer)
    assert "457-55-5462" not in str(answer)
    done = await backend.complete(answer.admission, f"Noted: {answer.messages[0].text.rpartition(' ')[2]}")
    assert allowed(done)
    assert "457-55-5462" in done.text


async def test_what_it_spends_counts_for_the_key_that_opened_it(stack: Stack, backend: Backend) -> None:
    """Else a key's limits would end where its sessions begin."""
    made = await opened(backend, by_key(stack.api_key))
    left = []
    for used in (by_key(stack.api_key), credential(made.session), by_key(stack.api_key)):
        answer = await backend.admit(used)
        assert allowed(answer), said(answer)
        (limit,) = [limit for limit in answer.limits if limit.id == "api_key.requests.month"]
        left.append(limit.remaining)
    assert left == [left[0], left[0] - 1, left[0] - 2]


async def test_ended_it_takes_its_admissions_along(stack: Stack, backend: Backend) -> None:
    made = await opened(backend, by_key(stack.api_key))
    admission = await backend.admitted(credential(made.session))
    own = await backend.proof(credential(made.session))
    await stub(backend).RevokeSession(
        auth.RevokeSessionRequest(session_id=made.session_id), timeout=DEADLINE, metadata=own
    )
    assert said(await backend.complete(admission, "Late.")) == "DENY ADMISSION_NOT_ACCEPTED"
    assert said(await backend.admit(credential(made.session))) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    assert allowed(await backend.admit(by_key(stack.api_key)))


async def test_a_users_token_opens_one_that_ends_with_it(stack: Stack, backend: Backend) -> None:
    name = fresh("user")
    made = await opened(backend, await backend.member(name))
    own = await backend.proof(credential(made.session))
    (row,) = await listed(backend, own)
    assert (row.subject, row.current, row.network) == (name, True, "192.0.2.0/24")
    assert 0 < (row.expires_at.ToDatetime() - row.created_at.ToDatetime()).total_seconds() <= 300
    assert allowed(await backend.admit(credential(made.session)))


async def test_every_change_of_a_session_is_on_record(stack: Stack, backend: Backend) -> None:
    made = await opened(backend, by_key(stack.api_key))
    new = await rotated(backend, made.session)
    own = await backend.administer()
    await stub(backend).RevokeSession(
        auth.RevokeSessionRequest(session_id=new.session_id), timeout=DEADLINE, metadata=own
    )

    async def recorded() -> set[str]:
        found = [*await events(backend, own, made.session_id), *await events(backend, own, new.session_id)]
        assert made.session not in str(found)
        assert new.session not in str(found)
        codes = {event.code for event in found}
        wanted = {
            "auth.create_session",
            "auth.rotate_session",
            "auth.revoke_session.asked",
            "auth.revoke_session",
        }
        return codes if wanted <= codes else set()

    assert await eventually(recorded)
