"""AuditService over gRPC: translates messages, and leaves every decision to the core."""

from __future__ import annotations

import secrets
from collections import defaultdict
from typing import Any

from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1 import audit_service_pb2_grpc as stubs

from services.audit import messages
from services.audit.policy import Record, encode, pages, written
from services.audit.policy.rules import YEAR_10000
from services.audit.ports import AuditStore, Span
from services.audit.verifier import verify
from services.kit.caller import Caller, current_call, current_caller, current_workload
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument

_EXPORT_ROWS = 500
_EXPORT_BYTES = 1_048_576
_SECOND = 1_000_000


class AuditServicer(stubs.AuditServiceServicer):
    """Every method of the contract."""

    def __init__(self, store: AuditStore, clock: Clock, verify_page: int) -> None:
        self._store = store
        self._clock = clock
        self._verify_page = verify_page

    async def Append(self, request: pb.AppendRequest, _: Any) -> pb.AppendResponse:
        """Stores events; the answer says that they are stored."""
        bodies: dict[str, list[bytes]] = defaultdict(list)
        for record in messages.records_of(request, current_workload().kind):
            bodies[record.organisation].append(encode(record))
        return pb.AppendResponse(stored=await self._store.append(bodies))

    async def Query(self, request: pb.QueryRequest, _: Any) -> pb.QueryResponse:
        """A page of events by time."""
        caller = current_caller()
        span, after = self._asked(request), (0, 0)
        if request.page_token:
            start, end, *position = _numbers("q", 4, request.page_token)
            span, after = Span(start, end), (position[0], position[1])
        await self._note(caller, "Query", span)
        size = pages.page_size(request.page_size)
        links = await self._store.find(caller, span, after, size)
        token = ""
        if len(links) == size:
            last = links[-1]
            token = pages.encode("q", span.start, span.end, last.columns.at_us, last.sequence)
        return pb.QueryResponse(events=map(messages.event, links), next_page_token=token)

    async def Verify(self, request: pb.VerifyRequest, _: Any) -> pb.VerifyResponse:
        """The whole chain of the caller's organisation, from the bytes that lie in the store."""
        caller = current_caller()
        walk = await verify(self._store, caller, self._verify_page)
        # Noted after the walk: an event put behind a tail that was cut off would make a gap of it.
        await self._note(caller, "Verify", Span(0, self._now()))
        return pb.VerifyResponse(
            intact=not walk.finding.problem,
            verified=walk.verified,
            first_bad_sequence=walk.finding.position,
            problem=walk.finding.problem.value,
            head=walk.tip.hex() if walk.verified else "",
        )

    async def Export(self, request: pb.ExportRequest, _: Any) -> pb.ExportResponse:
        """A page of the stretch of the chain that covers the time asked for, without a gap, to be verified offline."""
        caller = current_caller()
        span = self._asked(request)
        if request.page_token:
            position, until = _numbers("e", 2, request.page_token)
        else:
            await self._note(caller, "Export", span)
            first, until = await self._store.stretch(caller, span)
            position = first - 1 if first else 0
        chunk = bytearray()
        for link in await self._store.links(caller, position, until, _EXPORT_ROWS):
            line = messages.line(link)
            if chunk and len(chunk) + len(line) > _EXPORT_BYTES:
                break
            chunk += line
            position = link.sequence
        more = bool(chunk) and position < until
        return pb.ExportResponse(chunk=bytes(chunk), next_page_token=pages.encode("e", position, until) if more else "")

    def _asked(self, request: pb.QueryRequest | pb.ExportRequest) -> Span:
        end = messages.micros(request.to_time) if request.HasField("to_time") else self._now()
        span = Span(messages.micros(request.from_time), end)
        if not 0 <= span.start <= span.end < YEAR_10000:
            raise InvalidArgument.of("to_time", "must be after from_time, both between 1970 and 9999")
        return span

    def _now(self) -> int:
        return int(self._clock.now() * _SECOND)

    async def _note(self, caller: Caller, method: str, span: Span) -> None:
        """Reading is itself on record, before anything is shown; when that fails nothing is."""
        call = current_call()
        workload = call.workload.name if call.workload else ""
        facts = {"from": written(span.start), "to": written(span.end), "workload": workload}
        record = Record(
            event_id=f"{caller.txn or secrets.token_hex(8)}/audit/{method}/{secrets.token_hex(6)}",
            kind="critical",
            code=f"audit.{method.lower()}",
            at_us=self._now(),
            outcome="ALLOW",
            reason="NONE",
            organisation=caller.organisation,
            actor=caller.subject,
            brand=caller.brand,
            service="audit",
            txn=caller.txn,
            trace_id=call.trace_id,
            facts=tuple(sorted(facts.items())),
        )
        await self._store.append({caller.organisation: [encode(record)]})
        call.recorded = True


def _numbers(kind: str, count: int, token: str) -> tuple[int, ...]:
    try:
        return pages.decode(kind, count, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be the token of the page before") from None
