"""Reading an audit trail: an organisation's with its first administrator's key, the platform's as the operator."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1 import audit_service_pb2_grpc as stubs
from rich.table import Table
from rich.text import Text

from cli.asking import TIMEOUT, Reach, Tenant, reach
from cli.errors import CliError
from cli.members import Administrator
from cli.words import colour_of, outcome_name, outcome_word, reason_name
from embedded.client import Connection
from embedded.seed import ORGANISATIONS

PAGE = 200
PLATFORM = "the platform"
# What the platform's chain is asked with: the same questions, other names.
_REQUESTS = {
    False: {"Query": pb.QueryRequest, "Verify": pb.VerifyRequest, "Export": pb.ExportRequest},
    True: {"Query": pb.QueryPlatformRequest, "Verify": pb.VerifyPlatformRequest, "Export": pb.ExportPlatformRequest},
}
FORMS = {"jsonl": pb.EXPORT_FORM_JSONL, "ocsf": pb.EXPORT_FORM_OCSF}


class Trail:
    """The trail of one organisation; without a tenant the platform's."""

    def __init__(self, stack: Reach, tenant: Tenant | None) -> None:
        self.organisation = tenant.organisation if tenant else PLATFORM
        self._administrator = Administrator(stack, tenant) if tenant else None
        channel = stack.channel("audit") if tenant else stack.channel("audit", "operator")
        self._stub = stubs.AuditServiceStub(channel)

    async def verify(self) -> pb.VerifyResponse:
        """Walks the chain to its end, however long it is."""
        token = ""
        while True:
            page = await self._ask("Verify", page_token=token)
            token = page.next_page_token
            if not token:
                return pb.VerifyResponse(
                    intact=page.intact,
                    verified=page.verified,
                    first_bad_sequence=page.first_bad_sequence,
                    problem=page.problem,
                    head=page.head,
                )

    async def query(
        self, begin: datetime | None, end: datetime | None, limit: int, wanted: Mapping[str, Any] | None = None
    ) -> AsyncIterator[pb.Event]:
        """Up to `limit` events by time; `wanted` are fields of the request."""
        asked: dict[str, Any] = {"page_size": max(1, min(PAGE, limit)), **(wanted or {})}
        shown = 0
        while shown < limit:
            page = await self._ask("Query", begin, end, **asked)
            for event in page.events[: limit - shown]:
                shown += 1
                yield event
            asked["page_token"] = page.next_page_token
            if not page.next_page_token:
                return

    async def export(self, begin: datetime | None, end: datetime | None, form: str = "jsonl") -> AsyncIterator[bytes]:
        """The chain's lines, a page at a time."""
        token = ""
        while True:
            page = await self._ask("Export", begin, end, page_token=token, form=FORMS[form])
            yield page.chunk
            token = page.next_page_token
            if not token:
                return

    async def erase(self, user: str) -> int:
        """Destroys a user's keys; how many there were."""
        request = pb.EraseSubjectRequest(user=user)
        answer = await self._stub.EraseSubject(request, timeout=TIMEOUT, metadata=await self._metadata())
        return int(answer.keys)

    async def keys(self) -> str:
        """The public keys of checkpoints."""
        answer = await self._stub.GetCheckpointKeys(pb.GetCheckpointKeysRequest(), timeout=TIMEOUT)
        return str(answer.jwks)

    async def _ask(self, what: str, begin: datetime | None = None, end: datetime | None = None, **asked: Any) -> Any:
        platform = self._administrator is None
        request: Any = _REQUESTS[platform][what](**asked)
        _set_span(request, begin, end)
        method = getattr(self._stub, f"{what}Platform" if platform else what)
        return await method(request, timeout=TIMEOUT, metadata=await self._metadata())

    async def call(self, name: str, request: Any) -> Any:
        """Any other method, as whoever this is."""
        return await getattr(self._stub, name)(request, timeout=TIMEOUT, metadata=await self._metadata())

    async def _metadata(self) -> Any:
        return await self._administrator.metadata() if self._administrator else ()


@asynccontextmanager
async def reading(args: argparse.Namespace) -> AsyncIterator[Trail]:
    """The trail that the arguments speak of."""
    known = {each.organisation: each for each in ORGANISATIONS}
    if args.organisation and args.organisation not in known:
        raise CliError(f"{args.organisation} is none of {', '.join(known)}")
    async with reach(args.data) as stack:
        tenant: Tenant | None = None if getattr(args, "platform", False) else stack
        if tenant and args.organisation and isinstance(stack, Connection):
            tenant = stack.seeded(known[args.organisation])
        yield Trail(stack, tenant)


def as_dict(event: pb.Event) -> dict[str, Any]:
    """For --json: every key, also what is empty."""
    return json_format.MessageToDict(event, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def table(events: Sequence[pb.Event]) -> Table:
    """One row per event."""
    rows = Table(box=None, pad_edge=False)
    for title in ("", "time (UTC)", "event", "who", "outcome", "why", "from"):
        rows.add_column(title, justify="right" if not title else "left")
    for event in events:
        name = outcome_name(event.outcome)
        rows.add_row(
            str(event.sequence),
            event.at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S"),
            Text(event.code),
            Text("erased" if event.erased else event.actor or "-"),
            Text(outcome_word(name), colour_of(name)),
            Text(reason_name(event.reason)),
            Text(event.client_address or "-"),
        )
    return rows


def _set_span(request: Any, begin: datetime | None, end: datetime | None) -> None:
    if begin is not None:
        request.from_time.FromDatetime(begin)
    if end is not None:
        request.to_time.FromDatetime(end)
