"""Reading an organisation's audit trail with its first administrator's key."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
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


class Trail:
    """The trail of one organisation."""

    def __init__(self, stack: Reach, tenant: Tenant) -> None:
        self.organisation = tenant.organisation
        self._administrator = Administrator(stack, tenant)
        self._stub = stubs.AuditServiceStub(stack.channel("audit"))

    async def verify(self) -> pb.VerifyResponse:
        """Walks the chain."""
        answer: pb.VerifyResponse = await self._ask(self._stub.Verify, pb.VerifyRequest())
        return answer

    async def query(self, begin: datetime | None, end: datetime | None, limit: int) -> AsyncIterator[pb.Event]:
        """Up to `limit` events by time."""
        request = pb.QueryRequest(page_size=max(1, min(PAGE, limit)))
        _set_span(request, begin, end)
        shown = 0
        while shown < limit:
            page = await self._ask(self._stub.Query, request)
            for event in page.events[: limit - shown]:
                shown += 1
                yield event
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def export(self, begin: datetime | None, end: datetime | None) -> AsyncIterator[bytes]:
        """The chain's lines, a page at a time."""
        request = pb.ExportRequest()
        _set_span(request, begin, end)
        while True:
            page = await self._ask(self._stub.Export, request)
            yield page.chunk
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _ask(self, method: Any, request: Any) -> Any:
        return await method(request, timeout=TIMEOUT, metadata=await self._administrator.metadata())


@asynccontextmanager
async def reading(args: argparse.Namespace) -> AsyncIterator[Trail]:
    """The trail that the arguments speak of."""
    known = {each.organisation: each for each in ORGANISATIONS}
    if args.organisation and args.organisation not in known:
        raise CliError(f"{args.organisation} is none of {', '.join(known)}")
    async with reach(args.data) as stack:
        tenant: Tenant = stack
        if args.organisation and isinstance(stack, Connection):
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
            Text(event.actor or "-"),
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
