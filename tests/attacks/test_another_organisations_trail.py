"""Somebody reads, verifies or writes the audit trail of another organisation."""

from __future__ import annotations

import grpc
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, fresh, status_of
from tests.support.waiting import eventually


async def trail(backend: Backend, own: Metadata) -> list[pb.Event]:
    stub, found, page = AuditServiceStub(backend.channel("audit")), list[pb.Event](), ""
    while True:
        got = await stub.Query(pb.QueryRequest(page_size=200, page_token=page), timeout=DEADLINE, metadata=own)
        found += got.events
        page = got.next_page_token
        if not page:
            return found


async def test_each_sees_its_own(target: Stack, backend: Backend) -> None:
    answer = await backend.admit(await backend.member())

    async def mine() -> list[pb.Event]:
        return [event for event in await trail(backend, await backend.administer()) if event.txn == answer.txn]

    assert await eventually(mine)
    theirs = await trail(backend, await backend.administer(target.other))
    assert answer.txn not in {event.txn for event in theirs}
    assert {event.organisation for event in theirs} <= {target.other.organisation}


async def test_a_page_token_of_ours_shows_none_of_ours_to_them(target: Stack, backend: Backend) -> None:
    stub, asked = AuditServiceStub(backend.channel("audit")), pb.QueryRequest(page_size=1)
    first = await stub.Query(asked, timeout=DEADLINE, metadata=await backend.administer())
    asked.page_token = first.next_page_token
    try:
        stolen = await stub.Query(asked, timeout=DEADLINE, metadata=await backend.administer(target.other))
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return
    assert {event.organisation for event in stolen.events} <= {target.other.organisation}


async def test_a_user_without_the_scope_reads_nothing(backend: Backend) -> None:
    own = await backend.proof(await backend.member())
    stub = AuditServiceStub(backend.channel("audit"))
    for call in (
        stub.Query(pb.QueryRequest(), timeout=DEADLINE, metadata=own),
        stub.Verify(pb.VerifyRequest(), timeout=DEADLINE, metadata=own),
        stub.Export(pb.ExportRequest(), timeout=DEADLINE, metadata=own),
    ):
        assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_backend_writes_no_event(target: Stack, backend: Backend) -> None:
    event = pb.Event(event_id=fresh("forged"), code="auth.accepted", organisation=target.other.organisation)
    call = AuditServiceStub(backend.channel("audit")).Append(pb.AppendRequest(events=[event]), timeout=DEADLINE)
    assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_chain_is_whole_after_all_these_attacks(target: Stack, backend: Backend) -> None:
    for organisation in (target.main, target.other):
        answer = await AuditServiceStub(backend.channel("audit")).Verify(
            pb.VerifyRequest(), timeout=DEADLINE, metadata=await backend.administer(organisation)
        )
        assert answer.intact, answer.problem
        assert answer.verified > 0
