"""A backend, or a user's token, tries to have somebody penalised, forgiven or enriched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub

from tests.support.backend import DEADLINE, Backend, by_key, status_of
from tests.support.penalties import held_against, operator

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "Signal": lambda stub, own: stub.Signal(
        pb.SignalRequest(kind="injection", event_id="event-0001"), timeout=DEADLINE, metadata=own
    ),
    "SignalAddress": lambda stub, own: stub.SignalAddress(
        pb.SignalAddressRequest(kind="auth_failed", event_id="event-0001", client_address="203.0.113.5"),
        timeout=DEADLINE,
        metadata=own,
    ),
    "Grant": lambda stub, own: stub.Grant(_grant(), timeout=DEADLINE, metadata=own),
    "Reset": lambda stub, own: stub.Reset(
        pb.ResetRequest(organisation="acme", limit_id="organisation.money.day"), timeout=DEADLINE, metadata=own
    ),
}


def _grant() -> pb.GrantRequest:
    request = pb.GrantRequest(
        organisation="acme", limit_id="organisation.money.day", limit=10**12, reason_code="because"
    )
    request.ttl.FromSeconds(60)
    return request


@pytest.mark.parametrize("name", CALLS)
async def test_it_is_not_a_backends_to_say(backend: Backend, name: str) -> None:
    stub = RateLimitServiceStub(backend.channel("ratelimit"))
    own = await backend.administer()
    assert await status_of(CALLS[name](stub, own)) is grpc.StatusCode.PERMISSION_DENIED
    assert await held_against(backend, by_key(backend.stack.api_key)) == {}


async def test_the_operator_reports_nobody(backend: Backend) -> None:
    for name in ("Signal", "SignalAddress"):
        call = CALLS[name](operator(backend), await backend.administer())
        assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_signal_without_a_token_names_nobody(backend: Backend) -> None:
    gateway = RateLimitServiceStub(backend.stack.channel("ratelimit", "gateway"))
    call = gateway.Signal(pb.SignalRequest(kind="injection", event_id="event-0001"), timeout=DEADLINE)
    assert await status_of(call) is grpc.StatusCode.UNAUTHENTICATED
