"""The gate at the way out: a record that hits is dropped, counted and put on record without its value."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.audit.catalogue import catalogue
from services.kit import logs
from services.kit.audit import Event, EventClass
from services.kit.clock import SystemClock
from services.kit.dropped import PAUSE_SECONDS, reporting, tell
from services.kit.errors import Unavailable
from services.kit.facts import is_fact
from services.kit.leaving import Kind
from services.kit.telemetry import gate as gates
from services.kit.telemetry import scanned, tracing
from services.kit.telemetry.gate import Gate

CARD, TOKEN = "4532015112830366", "hbk_test_" + "a1B2" * 12 + "z"


class Shelf:
    """A trail in memory, that may be away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.away = False

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        if self.away:
            raise Unavailable("audit")
        self.events.append(event)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def gate(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate(now=hands)
    monkeypatch.setattr(logs, "GATE", made)
    return made


def spans_of(gate: Gate, act: Any) -> list[str]:
    """What is exported of the spans that `act` makes, past the gate."""
    exporter = InMemorySpanExporter()
    live = tracing.Tracing(exporter)
    assert live._processor is not None
    tracer = live.tracer("auth")
    original = scanned.Scanned.export

    def export(self: scanned.Scanned, spans: Any) -> Any:
        self._gate = gate
        return original(self, spans)

    scanned.Scanned.export = export  # type: ignore[method-assign]
    try:
        act(tracer)
        live.close()
    finally:
        scanned.Scanned.export = original  # type: ignore[method-assign]
    return [span.name for span in exporter.get_finished_spans()]


@pytest.mark.parametrize(
    "facts",
    [
        {"card": CARD},
        {"card": int(CARD)},
        {"key": TOKEN},
        {"request": {"messages": [{"text": f"pay with {CARD}"}]}},
        {"failure": ValueError(f"no user ada@example.com {CARD}")},
        {CARD: "as a name"},
        {"raw": CARD.encode()},
    ],
)
def test_a_line_with_such_a_value_is_dropped_and_counted(lines: io.StringIO, gate: Gate, facts: dict[str, Any]) -> None:
    logs.logger().info("auth.seen", before=1)
    logs.logger().error("auth.fault", **facts)
    logs.logger().info("auth.seen", after=2)
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["auth.seen", "auth.seen"]
    (dropped,) = gate.take(PAUSE_SECONDS)
    assert (dropped.record, dropped.places, dropped.amount) == ("auth.fault", {"log"}, 1)


def test_a_span_with_such_a_value_anywhere_is_dropped(gate: Gate) -> None:
    def act(tracer: Any) -> None:
        tracer.start_span("fine", attributes={"hauberk.brand": "acme", "n": 7}).end()
        tracer.start_span("bare", attributes={"hauberk.brand": TOKEN}).end()
        tracer.start_span("list", attributes={"many": ["a", CARD]}).end()
        tracer.start_span(f"for ada@example.com {CARD}").end()
        span = tracer.start_span("event")
        span.record_exception(ValueError(f"card {CARD}"))
        span.end()
        other = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1))
        tracer.start_span("link", links=[Link(other, {"a": CARD})]).end()
        carrier = {"traceparent": f"00-{7:032x}-{7:016x}-01", "tracestate": "shop=ada@example.com"}
        tracer.start_span("state", context=TraceContextTextMapPropagator().extract(carrier)).end()
        parent = tracer.start_span("parent")
        tracer.start_span("child", context=set_span_in_context(parent)).end()
        parent.end()

    assert sorted(spans_of(gate, act)) == ["child", "fine", "parent"]
    dropped = {each.kind: each for each in gate.take(PAUSE_SECONDS)}
    assert {kind: each.amount for kind, each in dropped.items()} == {Kind.API_KEY: 1, Kind.CARD: 3, Kind.EMAIL: 2}
    assert dropped[Kind.EMAIL].record == gates.NAME_WITHHELD


async def test_the_event_says_what_and_where_and_never_the_value(gate: Gate, lines: io.StringIO) -> None:
    shelf = Shelf()
    logs.logger().error("auth.fault", card=CARD)
    logs.logger().error(f"auth.{TOKEN}")
    spans_of(gate, lambda tracer: tracer.start_span("auth.Get", attributes={"a": CARD}).end())
    await tell(shelf, "auth", SystemClock(), gate, PAUSE_SECONDS)
    assert all(event.kind is EventClass.CRITICAL for event in shelf.events)
    known = catalogue()["kit.personal_data_dropped"]
    assert known.classes == {"critical"}
    facts = sorted((dict(event.facts) for event in shelf.events), key=lambda each: each["kind"])
    assert facts == [
        {"workload": "auth", "where": "log", "kind": "api_key", "record": "withheld", "times": "1"},
        {"workload": "auth", "where": "log+span", "kind": "card", "record": "auth.fault", "times": "2"},
    ]
    assert all(set(each) == known.facts and all(map(is_fact, each.values())) for each in facts)
    written = lines.getvalue() + str([event.message("auth") for event in shelf.events])
    assert CARD not in written and TOKEN not in written
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in told] == [("kit.personal_data_dropped", "critical")] * 2
    assert gate.take(PAUSE_SECONDS, last=True) == []  # the line about it did not hit in turn


async def test_one_event_a_kind_and_minute_with_the_count(gate: Gate, hands: Hands, lines: io.StringIO) -> None:
    shelf = Shelf()
    for second in range(130):
        hands.at = 1_000.0 + second
        logs.logger().error("auth.fault", card=CARD)
        await tell(shelf, "auth", SystemClock(), gate, PAUSE_SECONDS)
    assert [event.facts["times"] for event in shelf.events] == ["1", "60", "60"]
    async with reporting(shelf, "auth", SystemClock(), gate):
        await asyncio.sleep(0)
    assert [event.facts["times"] for event in shelf.events][3:] == ["9"]  # the rest at the end


async def test_what_cannot_be_put_on_record_is_told_later(gate: Gate, hands: Hands, lines: io.StringIO) -> None:
    shelf = Shelf()
    shelf.away = True
    logs.logger().error("auth.fault", card=CARD)
    logs.logger().error("auth.fault", mail="ada@example.com")
    await tell(shelf, "auth", SystemClock(), gate, PAUSE_SECONDS)
    logs.logger().error("auth.other", card=CARD)
    shelf.away = False
    hands.at += 10
    await tell(shelf, "auth", SystemClock(), gate, PAUSE_SECONDS)
    assert sorted((event.facts["kind"], event.facts["times"]) for event in shelf.events) == [
        ("card", "2"),
        ("email", "1"),
    ]


def test_past_the_bound_a_share_is_looked_at_and_all_again_in_the_next_second(hands: Hands) -> None:
    gate = Gate(most=100, share=10, now=hands)
    seen = [gate.passes("log", "auth.fault", (CARD,)) for _ in range(2_100)]
    assert not any(seen[:100])
    assert 100 < seen[100:].count(False) < 320  # of 2000, a tenth
    hands.at += 1
    assert not any(gate.passes("log", "auth.fault", (CARD,)) for _ in range(100))
