"""A user agent, an origin, an identifier with line ends in it: no line of a log or of the trail is forged."""

from __future__ import annotations

import json

import grpc
import pytest
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub

from embedded.stack import Stack
from services.kit import logs
from tests.support.backend import DEADLINE, Backend, by_key, fresh, status_of
from tests.support.waiting import eventually

EVIL = 'curl/8\r\nSet-Cookie: admin=1\n{"event": "auth.accepted", "level": "info"}\x1b[2J\u2028x'


async def test_no_log_line_is_forged(target: Stack, backend: Backend, capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("hauberk", "DEBUG")
    try:
        await backend.admit(by_key("no-key" + EVIL[:20]), user_agent=EVIL, origin=EVIL)
        await backend.admit(await backend.member(), user_agent=EVIL, origin=EVIL)
    finally:
        logs.setup("hauberk", "ERROR")
    captured = capfd.readouterr()
    for line in (captured.err + captured.out).splitlines():
        if line.strip():
            assert "event" in json.loads(line), line
            assert "Set-Cookie" not in line
            assert json.loads(line).get("event") != "auth.accepted"


async def test_the_trail_keeps_it_as_one_value_of_one_event(target: Stack, backend: Backend) -> None:
    answer = await backend.admit(await backend.member(), user_agent=EVIL)

    async def of_this_request() -> list[audit.Event]:
        own = await backend.administer()
        stub = AuditServiceStub(backend.channel("audit"))
        found: list[audit.Event] = []
        page = ""
        while True:
            got = await stub.Query(audit.QueryRequest(page_size=200, page_token=page), timeout=DEADLINE, metadata=own)
            found += [event for event in got.events if event.txn == answer.txn and event.service == "gateway"]
            page = got.next_page_token
            if not page:
                return found

    (event,) = await eventually(of_this_request)
    assert "\n" not in event.user_agent
    assert "\r" not in event.user_agent
    assert "\x1b" not in event.user_agent


@pytest.mark.parametrize("name", ["a\r\nb", "a\nb", "a\x00b", "a b", "../a", "a{b}", "a'b", "ä"])
async def test_identifiers_have_none(target: Stack, backend: Backend, name: str) -> None:
    call = backend.admit(by_key(target.api_key), conversation=f"x{fresh('c')}{name}")
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
