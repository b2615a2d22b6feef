"""What the edge puts on record, with a trail that remembers, and that can be away."""

from __future__ import annotations

from dataclasses import dataclass, field

import protovalidate
import pytest
from hauberk.common.v1 import decision_pb2 as common

from services.auth.flows.edge import EdgeBook, Edges
from services.auth.flows.edge_events import EdgeEvents
from services.auth.policy.challenges import Provider, Widget
from services.auth.policy.edge import EdgeRules, to_document
from services.auth.policy.edge_headers import HeaderRules, Miss, Question
from services.auth.ports.edge import EdgeRow, Place
from services.kit.audit import Event, EventClass
from services.kit.errors import Unavailable
from services.kit.postgres import Proven
from tests.unit.auth.fakes import HandClock

ROW = EdgeRow("acme", "shop", 1, to_document(EdgeRules(origins=frozenset({"https://app.example.com"}))))


@dataclass
class Trail:
    events: list[Event] = field(default_factory=list)
    away: bool = False

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        if self.away:
            raise Unavailable("audit")
        self.events.append(event)


@dataclass
class OneEdge:
    asked: int = 0
    away: bool = False

    async def of_brand(self, organisation: str, brand: str) -> EdgeRow | None:
        self.asked += 1
        if self.away:
            raise Unavailable("postgres")
        return ROW if (organisation, brand) == ("acme", "shop") else None

    async def find(self, proof: Proven, brand: str) -> EdgeRow | None:
        return None

    async def put(self, proof: Proven, row: EdgeRow, by: str) -> bool:
        return False


class NoSecrets:
    def seal(self, place: Place, secret: str) -> bytes:
        return secret.encode()

    def open(self, place: Place, record: bytes) -> str | None:
        return None

    def marks(self, label: str, *parts: str) -> tuple[str, ...]:
        return ("m" * 43,)


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store() -> OneEdge:
    return OneEdge()


@pytest.fixture
def edges(trail: Trail, clock: HandClock, store: OneEdge) -> Edges:
    book = EdgeBook(store, NoSecrets(), clock, seconds=5, production=True)
    return Edges(store, NoSecrets(), book, EdgeEvents(trail, clock), clock, HeaderRules(), production=True)


async def test_a_miss_is_on_record_in_the_words_of_the_field(edges: Edges, trail: Trail) -> None:
    found = await edges.resolve("acme", "shop", Question("https://evil.example"), "192.0.2.1")
    assert found.resolved.miss is Miss.ORIGIN
    (event,) = trail.events
    assert (event.code, event.outcome) == ("malicious_cors", common.OUTCOME_DENY)
    assert event.facts["origin"] == "https://evil.example"
    assert event.facts["target"] == "acme"
    assert not event.organisation  # nobody has proven to be of it
    assert event.client_address == "192.0.2.1"
    protovalidate.validate(event.message("auth"))  # the trail takes it as it is
    assert "withheld" not in str(event.message("auth"))


@pytest.mark.parametrize("origin", ["null", "my secret is 1234", "https://a.example/?token=x", "eyJhbGciOi"])
async def test_what_is_no_origin_is_not_put_on_record(edges: Edges, trail: Trail, origin: str) -> None:
    await edges.resolve("acme", "shop", Question(origin), "")
    assert trail.events[0].facts["origin"] == "malformed"


async def test_a_listed_origin_and_a_preflight_for_too_much_are_no_attack(edges: Edges, trail: Trail) -> None:
    assert (await edges.resolve("acme", "shop", Question("https://app.example.com"), "")).nonce
    miss = await edges.resolve("acme", "shop", Question("https://app.example.com", "DELETE"), "")
    assert miss.resolved.miss is Miss.METHOD
    assert not miss.nonce
    assert not trail.events


async def test_what_cannot_be_put_on_record_is_not_answered(edges: Edges, trail: Trail) -> None:
    trail.away = True
    with pytest.raises(Unavailable):
        await edges.resolve("acme", "shop", Question("null"), "")


async def test_what_is_there_and_what_is_not_are_remembered_for_seconds(
    edges: Edges, store: OneEdge, clock: HandClock
) -> None:
    for _ in range(100):
        await edges.resolve("acme", "shop", Question("https://app.example.com"), "")
        await edges.resolve("acme", "none", Question("https://app.example.com"), "")
    assert store.asked == 2
    clock.time += 5
    store.away = True
    with pytest.raises(Unavailable):  # nothing older than its time is used, not even then
        await edges.resolve("acme", "shop", Question("https://app.example.com"), "")


async def test_a_misconfiguration_wakes_somebody_once_a_minute(trail: Trail, clock: HandClock) -> None:
    events = EdgeEvents(trail, clock)
    for _ in range(100):
        await events.misconfigured("acme", "shop", Provider.TURNSTILE, "invalid-input-secret")
    await events.misconfigured("acme", "shop", Provider.TURNSTILE, "what ever; text")
    clock.time += 60
    await events.misconfigured("acme", "shop", Provider.TURNSTILE, "invalid-input-secret")
    assert [event.facts["cause"] for event in trail.events] == [
        "invalid-input-secret",
        "unknown",
        "invalid-input-secret",
    ]
    assert {event.kind for event in trail.events} == {EventClass.CRITICAL}
    for event in trail.events:
        protovalidate.validate(event.message("auth"))


async def test_an_alarm_that_cannot_be_recorded_does_not_change_the_answer(trail: Trail, clock: HandClock) -> None:
    trail.away = True
    await EdgeEvents(trail, clock).misconfigured("acme", "shop", Provider.HCAPTCHA, "bad-request")
    assert not trail.events


class Opening(NoSecrets):
    def open(self, place: Place, record: bytes) -> str | None:
        return record.decode()


@pytest.mark.parametrize(
    ("secret", "production", "fault"),
    [
        (b"0x4AAAAAAAsecret", True, ""),
        (b"1x0000000000000000000000000000000AA", True, "not-for-production"),
        (b"1x0000000000000000000000000000000AA", False, ""),
        (b"", True, "secret-cannot-be-opened"),
    ],
)
async def test_a_kept_secret_is_looked_at_again_when_it_is_used(
    secret: bytes, production: bool, fault: str, clock: HandClock
) -> None:
    widget = Widget(Provider.TURNSTILE, "0x4AAAAAAAsite", frozenset({"app.example.com"}))
    row = EdgeRow("acme", "shop", 1, to_document(EdgeRules(widget=widget)), secret)

    class Kept(OneEdge):
        async def of_brand(self, organisation: str, brand: str) -> EdgeRow | None:
            return row

    book = EdgeBook(Kept(), Opening(), clock, seconds=5, production=production)
    challenge = await book.challenge("acme", "shop")
    assert challenge is not None
    assert challenge.fault == fault


async def test_the_secret_before_is_tried_until_its_end(clock: HandClock) -> None:
    widget = Widget(Provider.TURNSTILE, "0x4AAAAAAAsite", frozenset({"app.example.com"}))
    kept = to_document(EdgeRules(widget=widget))
    row = EdgeRow("acme", "shop", 2, kept, b"now", b"before", clock.now() + 10)

    class Kept(OneEdge):
        async def of_brand(self, organisation: str, brand: str) -> EdgeRow | None:
            return row

    book = EdgeBook(Kept(), Opening(), clock, seconds=5, production=True)
    for moment, tried in ((0.0, ("now", "before")), (9.0, ("now", "before")), (20.0, ("now",))):
        clock.time += moment
        challenge = await book.challenge("acme", "shop")
        assert challenge is not None
        assert challenge.secrets == tried
