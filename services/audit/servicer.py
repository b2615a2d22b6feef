"""AuditService over gRPC: translates messages, and leaves every decision to the core and its flows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1 import audit_service_pb2_grpc as stubs

from services.audit import messages, signatures
from services.audit.flows.incidents import Desks, Incidents
from services.audit.flows.intake import Intake
from services.audit.flows.reading import Place, Reading
from services.audit.flows.vault import Vault
from services.audit.flows.verifying import Verifier
from services.audit.incident_servicer import IncidentPart, IncidentRpcs
from services.audit.policy import Catalogue, Head, Record, pages, written
from services.audit.policy.rules import YEAR_10000
from services.audit.ports import KeyReader, Reader, Readers, Span
from services.kit.caller import current_call, current_caller, current_workload
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument

_SECOND = 1_000_000


@dataclass(frozen=True)
class Flows:
    """What the servicer translates to."""

    readers: Readers
    intake: Intake
    reading: Reading
    verifier: Verifier
    vault: Vault
    signer: signatures.CheckpointSigner
    catalogue: Catalogue
    incidents: Incidents
    desks: Desks
    traces: str


class AuditServicer(IncidentRpcs, stubs.AuditServiceServicer):
    """Every method of the contract. The platform's are the same with another reader, for operators."""

    def __init__(self, flows: Flows, clock: Clock) -> None:
        self._flows, self._clock = flows, clock
        self.reading = flows.reading
        self.incidents = IncidentPart(
            flows.incidents,
            lambda: flows.desks.of(current_caller()),
            flows.desks.platform,
            lambda desk, name, facts: self._note(desk.reader, name, facts),
            flows.traces,
        )

    async def Append(self, request: pb.AppendRequest, _: Any) -> pb.AppendResponse:
        """Stores events; the answer says that they are stored."""
        records = messages.records_of(request, current_workload().kind, self._flows.catalogue)
        return pb.AppendResponse(stored=await self._flows.intake.take(records))

    async def Query(self, request: pb.QueryRequest, _: Any) -> pb.QueryResponse:
        """A page of events by time."""
        events, token = await self._query(self._own(), request, "query")
        return pb.QueryResponse(events=events, next_page_token=token)

    async def QueryPlatform(self, request: pb.QueryPlatformRequest, _: Any) -> pb.QueryPlatformResponse:
        """The same of the platform's chain."""
        events, token = await self._query(self._flows.readers.platform(), request, "query_platform")
        return pb.QueryPlatformResponse(events=events, next_page_token=token)

    async def Verify(self, request: pb.VerifyRequest, _: Any) -> pb.VerifyResponse:
        """The whole chain of the caller's organisation, from the bytes that lie in the store."""
        return pb.VerifyResponse(**await self._verify(self._own(), request.page_token, "verify"))

    async def VerifyPlatform(self, request: pb.VerifyPlatformRequest, _: Any) -> pb.VerifyPlatformResponse:
        """The same of the platform's chain."""
        found = await self._verify(self._flows.readers.platform(), request.page_token, "verify_platform")
        return pb.VerifyPlatformResponse(**found)

    async def Export(self, request: pb.ExportRequest, _: Any) -> pb.ExportResponse:
        """A page of the stretch of the chain that covers the time asked for, without a gap, to be verified offline."""
        await self.incidents.refuse_frozen(self.incidents.own())
        chunk, token = await self._export(self._own(), request, "export")
        return pb.ExportResponse(chunk=chunk, next_page_token=token)

    async def ExportPlatform(self, request: pb.ExportPlatformRequest, _: Any) -> pb.ExportPlatformResponse:
        """The same of the platform's chain."""
        chunk, token = await self._export(self._flows.readers.platform(), request, "export_platform")
        return pb.ExportPlatformResponse(chunk=chunk, next_page_token=token)

    async def EraseSubject(self, request: pb.EraseSubjectRequest, _: Any) -> pb.EraseSubjectResponse:
        """Destroys a subject's keys; that it was asked is on record first, without saying who it was."""
        caller = current_caller()
        tags = self._flows.vault.tags(caller.organisation, request.user)
        found = await self._flows.readers.of(caller).keys_of(tags)
        await self._note(self._own(), "erase_subject", {"key": found[0] if found else "", "found": str(len(found))})
        destroyed = await self._flows.readers.erase(caller, tags)
        self._flows.vault.forget()
        return pb.EraseSubjectResponse(keys=len(destroyed))

    async def GetCheckpointKeys(self, _r: pb.GetCheckpointKeysRequest, _: Any) -> pb.GetCheckpointKeysResponse:
        """The public keys of checkpoints."""
        return pb.GetCheckpointKeysResponse(jwks=signatures.written(self._flows.signer.jwks()))

    async def _query(self, reader: Reader, request: Any, method: str) -> tuple[list[pb.Event], str]:
        span, after = self._asked(request), (0, 0)
        if request.page_token:
            start, end, *position = _numbers("q", 4, request.page_token)
            span, after = Span(start, end), (position[0], position[1])
        # Who was looked for is personal as well: only what was asked for is said, not the value.
        asked = [name for name in ("actor", "outcome", "trace_id", "code") if getattr(request, name)]
        await self._note(reader, method, {**_said(span), "filters": ".".join(asked)})
        await self._flows.reading.flush(reader.organisation)
        outcome = messages.outcome_name(request.outcome) if request.outcome else ""
        wanted = await self._flows.reading.wanted(reader, request.actor, outcome, request.trace_id, request.code)
        size = pages.page_size(request.page_size)
        found = await self._flows.reading.find(reader, span, wanted, after, size)
        token = ""
        if len(found) == size:
            last = found[-1].link
            token = pages.encode("q", span.start, span.end, last.columns.at_us, last.sequence)
        return [messages.event(each) for each in found], token

    async def _verify(self, reader: Reader, token: str, method: str) -> dict[str, Any]:
        start = Head()
        if token:
            try:
                start = Head(*pages.decode_place(token))
            except pages.BadTokenError:
                raise _bad_token() from None
        await self._flows.reading.flush(reader.organisation)
        outcome = await self._flows.verifier.verify(reader, start)
        problem = outcome.finding.problem.value
        if outcome.done:
            # Noted after the walk: an event put behind a tail that was cut off would make a gap of it.
            await self._note(reader, method, {**_said(Span(0, self._now())), "problem": problem})
        return {
            "intact": not problem,
            "verified": outcome.position,
            "first_bad_sequence": outcome.finding.position,
            "problem": problem,
            "head": outcome.tip.hex() if outcome.position else "",
            "next_page_token": "" if outcome.done else pages.encode_place(outcome.position, outcome.tip),
        }

    async def _export(self, reader: Reader, request: Any, method: str) -> tuple[bytes, str]:
        span, reading = self._asked(request), self._flows.reading
        readable = request.form == pb.EXPORT_FORM_OCSF
        kind = "o" if readable else "e"
        if request.page_token:
            place = Place(*_numbers(kind, 3, request.page_token))
        else:
            await self._note(reader, method, {**_said(span), "format": "ocsf" if readable else "jsonl"})
            await reading.flush(reader.organisation)
            place = await reading.begin(reader, span)
        chunk = await (reading.ocsf(reader, place) if readable else reading.jsonl(reader, place, self._now()))
        after = chunk.next
        return chunk.data, pages.encode(kind, after.first, after.position, after.until) if after else ""

    def _own(self) -> Reader:
        return self._flows.readers.of(current_caller())

    def _asked(self, request: Any) -> Span:
        end = messages.micros(request.to_time) if request.HasField("to_time") else self._now()
        span = Span(messages.micros(request.from_time), end)
        if not 0 <= span.start <= span.end < YEAR_10000:
            raise InvalidArgument.of("to_time", "must be after from_time, both between 1970 and 9999")
        return span

    def _now(self) -> int:
        return int(self._clock.now() * _SECOND)

    async def _note(self, reader: KeyReader, name: str, facts: dict[str, str]) -> None:
        """Reading is itself on record, before anything is shown; when that fails nothing is."""
        call = current_call()
        workload = call.workload.name if call.workload else ""
        caller = call.caller if reader.organisation else None
        record = Record(
            event_id=f"{(caller.txn if caller else '') or secrets.token_hex(8)}/audit/{name}/{secrets.token_hex(6)}",
            kind="critical",
            code=f"audit.{name}",
            at_us=self._now(),
            outcome="ALLOW",
            reason="NONE",
            organisation=reader.organisation,
            actor=caller.subject if caller else workload,
            brand=caller.brand if caller else "",
            service="audit",
            txn=caller.txn if caller else "",
            trace_id=call.trace_id,
            facts=tuple(sorted((key, value) for key, value in {**facts, "workload": workload}.items() if value)),
        )
        await self._flows.intake.take([record])
        call.recorded = True


def _said(span: Span) -> dict[str, str]:
    return {"from": written(span.start), "to": written(span.end)}


def _numbers(kind: str, count: int, token: str) -> tuple[int, ...]:
    try:
        return pages.decode(kind, count, token)
    except pages.BadTokenError:
        raise _bad_token() from None


def _bad_token() -> InvalidArgument:
    return InvalidArgument.of("page_token", "must be the token of the page before")
