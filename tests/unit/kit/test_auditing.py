"""Which calls are put on record, as what, and that nothing is answered which is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common

from services.kit.audit import Event, EventClass
from services.kit.caller import current_call
from services.kit.clock import SystemClock
from services.kit.errors import Unavailable
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.server import interceptor_of, layers_of
from services.kit.telemetry.tracing import OFF
from services.kit.txn_token import METADATA_KEY, TokenVerifier
from tests.unit.kit.world import DOMAIN, ISSUER, SHOP, Auth, Mint, app_of, login, refused, settings_of

CODE = grpc.StatusCode


class Kept:
    """A trail in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.waited: list[str] = []
        self.fails: set[str] = set()

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        if event.code in self.fails:
            raise Unavailable("audit")
        self.events.append(event)
        if critical:
            self.waited.append(event.code)


class House:
    def __init__(self) -> None:
        self.auth, self.mint, self.trail = Auth(), Mint(), Kept()
        app, settings = app_of(self.auth), settings_of(deadline_limit=0.3)
        verifier = TokenVerifier(self.mint, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
        self.server = InProcessServer(interceptor_of(app, settings, verifier, OFF, self.trail))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, self.server)

    def stub(self, workload: str = SHOP) -> Any:
        channel: Any = InProcessChannel(self.server, f"spiffe://{DOMAIN}/{workload}")
        return AuthServiceStub(channel)

    def bearer(self, *scopes: str) -> Any:
        return [(METADATA_KEY, self.mint.token(scopes=scopes))]

    def only(self) -> Event:
        (event,) = self.trail.events
        return event


@asynccontextmanager
async def answering(house: House, name: str, answer: Any) -> AsyncIterator[House]:
    async def handler(*_: Any) -> Any:
        return answer

    house.auth.does[name] = handler
    yield house


async def test_a_decision_is_on_record_with_all_that_is_known() -> None:
    answer = auth_pb.AuthenticateResponse(
        outcome=common.OUTCOME_DENY, reason=common.REASON_CREDENTIAL_NOT_ACCEPTED, txn="t-77"
    )
    async with answering(House(), "Authenticate", answer) as house:
        await house.stub().Authenticate(login(client_address="203.0.113.9", user_agent="curl/8"))
        event = house.only()
        assert (event.code, event.kind) == ("auth.authenticate", EventClass.DECISION)
        assert (event.outcome, event.reason) == (answer.outcome, answer.reason)
        assert event.event_id.startswith("t-77/auth/Authenticate/")
        assert (event.client_address, event.user_agent, event.actor) == ("203.0.113.9", "curl/8", SHOP)
        assert dict(event.facts) == {"workload": SHOP, "status": "OK"}


async def test_a_change_of_power_is_stored_before_it_is_done() -> None:
    request = auth_pb.CreateApiKeyRequest(display_name="one", subject="ada", brand="acme-chat")
    async with answering(House(), "CreateApiKey", auth_pb.CreateApiKeyResponse()) as house:
        await house.stub().CreateApiKey(request, metadata=house.bearer("keys.manage"))
        asked, done = house.trail.events
        assert (asked.code, done.code) == ("auth.create_api_key.asked", "auth.create_api_key")
        assert {asked.kind, done.kind} == {EventClass.CRITICAL}
        assert house.trail.waited == ["auth.create_api_key.asked"]
        assert (done.organisation, done.actor, done.brand) == ("acme", "ada", "acme-chat")
        assert (asked.outcome, done.outcome) == (common.OUTCOME_UNSPECIFIED, common.OUTCOME_ALLOW)
        assert asked.event_id != done.event_id
        house.auth.reached.clear()
        house.trail.fails.add("auth.create_api_key.asked")
        error = await refused(house.stub().CreateApiKey(request, metadata=house.bearer("keys.manage")))
        assert error.code() is CODE.UNAVAILABLE
        assert house.auth.reached == []


async def test_what_is_not_on_record_is_not_answered() -> None:
    async with answering(House(), "Authenticate", auth_pb.AuthenticateResponse()) as house:
        house.trail.fails.add("auth.authenticate")
        error = await refused(house.stub().Authenticate(login()))
        assert (error.code(), error.details()) == (CODE.UNAVAILABLE, "audit is unavailable")


async def test_refusals_of_identity_and_validation_are_on_record() -> None:
    house = House()
    request = auth_pb.CreateApiKeyRequest(display_name="one", subject="ada", brand="acme-chat")
    await refused(house.stub().CreateApiKey(request, metadata=house.bearer("chat")))
    await refused(house.stub().CreateApiKey(request))
    await refused(house.stub("operator").CreateApiKey(request))
    await refused(house.stub().CreateApiKey(auth_pb.CreateApiKeyRequest(subject="no no")
                                            , metadata=house.bearer("keys.manage")))  # fmt: skip
    said = [(event.facts["status"], event.facts["error"], event.outcome) for event in house.trail.events]
    assert said == [
        ("PERMISSION_DENIED", "SCOPE_MISSING", common.OUTCOME_DENY),
        ("UNAUTHENTICATED", "UNAUTHENTICATED", common.OUTCOME_DENY),
        ("PERMISSION_DENIED", "WORKLOAD_NOT_ALLOWED", common.OUTCOME_DENY),
        ("INVALID_ARGUMENT", "INVALID_ARGUMENT", common.OUTCOME_UNSPECIFIED),
    ]
    assert not any("asked" in event.code for event in house.trail.events)
    assert house.auth.reached == []


async def test_a_call_that_runs_out_of_time_or_is_cancelled_is_on_record() -> None:
    house = House()

    async def slow(*_: Any) -> Any:
        await asyncio.sleep(5)

    house.auth.does["Authenticate"] = slow
    assert (await refused(house.stub().Authenticate(login()))).code() is CODE.DEADLINE_EXCEEDED
    waiting = asyncio.ensure_future(house.stub().Authenticate(login()))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert [event.facts["status"] for event in house.trail.events] == ["DEADLINE_EXCEEDED", "CANCELLED"]


@pytest.mark.parametrize("workload", ["gateway", "tenancy", "nobody"])
async def test_only_direct_calls_are_recorded(workload: str) -> None:
    async with answering(House(), "Authenticate", auth_pb.AuthenticateResponse()) as house:
        await asyncio.gather(house.stub(workload).Authenticate(login()), return_exceptions=True)
        assert house.trail.events == []


async def test_public_keys_and_calls_that_record_themselves_are_left_out() -> None:
    house = House()

    async def itself(*_: Any) -> Any:
        current_call().recorded = True
        return auth_pb.AuthenticateResponse()

    async def jwks(*_: Any) -> Any:
        return auth_pb.GetJwksResponse()

    house.auth.does |= {"Authenticate": itself, "GetJwks": jwks}
    await house.stub().Authenticate(login())
    await house.stub().GetJwks(auth_pb.GetJwksRequest())
    assert house.trail.events == []


async def test_no_text_of_a_request_gets_into_an_event() -> None:
    house = House()
    await refused(house.stub().Authenticate(login(client_address="call me, 212-555-0143", user_agent="a\nb" * 400)))
    message = house.only().message("auth")
    assert message.client_address == ""
    assert message.user_agent == ("ab" * 400)[:512]


def test_without_a_trail_nothing_changes() -> None:
    names = [layer.name for layer in layers_of(app_of(Auth()), settings_of(), None, OFF)]
    assert names == ["boundary", "deadline", "telemetry", "identity", "validation"]
    names = [layer.name for layer in layers_of(app_of(Auth()), settings_of(), None, OFF, Kept())]
    assert names == ["boundary", "audit", "deadline", "telemetry", "identity", "validation", "intent"]
