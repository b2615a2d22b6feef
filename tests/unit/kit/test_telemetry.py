"""What leaves by span and log: names from a list, values that cannot be somebody's text, every denial."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from services.kit import logs
from services.kit.errors import Unavailable
from services.kit.telemetry import tracing
from services.kit.telemetry.attributes import Attr, is_plain, put
from services.kit.telemetry.keeping import WAITING_TRACES, KeepDenials

DIGIT = st.characters(min_codepoint=48, max_codepoint=57)
EMAILS = st.emails()
SSNS = st.from_regex(r"[0-9]{3}[-. ][0-9]{2}[-. ][0-9]{4}", fullmatch=True)
PHONES = st.from_regex(r"(\+1[-. ]?)?\(?[0-9]{3}\)?[-. ][0-9]{3}[-. ][0-9]{4}", fullmatch=True)
CARDS = st.from_regex(r"[0-9]{4}([- ]?[0-9]{4}){3}", fullmatch=True)
ANGLES = st.sampled_from(["", "user:", "tel:", "card/", "id_", "A", "ssn."])


def recorded(attributes: dict[Attr, Any]) -> dict[str, Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("s") as span:
        put(span, attributes)
    (finished,) = exporter.get_finished_spans()
    return dict(finished.attributes or {})


@given(ANGLES, st.one_of(EMAILS, SSNS, PHONES, CARDS))
def test_personal_values_never_pass(prefix: str, value: str) -> None:
    assert not is_plain(prefix + value)
    assert recorded({Attr.BRAND: prefix + value}) == {}


@given(st.text(min_size=1), st.text(min_size=1))
def test_free_text_never_passes(one: str, two: str) -> None:
    assert not is_plain(f"{one} {two}")
    assert not is_plain(f"{one}\n{two}")


@given(st.text())
def test_whatever_passes_is_an_identifier(text: str) -> None:
    if is_plain(text):
        assert text.isascii()
        assert text[0].isalpha()
        assert not set(text) & set(" @'\"<>{}=,;()+%?&#\n")


@given(st.integers(min_value=10**8, max_value=10**19))
def test_a_card_or_phone_as_a_number_does_not_pass(number: int) -> None:
    assert not is_plain(number)
    assert not is_plain(-number)
    assert not is_plain(float(number))


@pytest.mark.parametrize("value", [b"bytes", ["a"], {"a": 1}, ("a",), object(), float("nan"), float("inf"), "x" * 129])
def test_other_kinds_do_not_pass(value: object) -> None:
    assert not is_plain(value)


@pytest.mark.parametrize("value", ["ALLOW", "acme-chat", "backend/shop", "hauberk.auth.v1.AuthService/Get", 12, 1.5])
def test_identifiers_of_ours_pass(value: Any) -> None:
    assert recorded({Attr.BRAND: value}) == {"hauberk.brand": value}


class Kept:
    """A processor that remembers what it was given."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(span.name)


def keeping(ratio: float) -> tuple[KeepDenials, Kept, Any]:
    kept = Kept()
    keeper = KeepDenials(kept, ratio)  # type: ignore[arg-type]
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(keeper)
    return keeper, kept, provider.get_tracer("t")


def trace(tracer: Any, outcome: str, *, error: bool = False) -> None:
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("stage") as stage:
        with tracer.start_as_current_span("step"):
            pass
        stage.set_attribute(Attr.OUTCOME.value, outcome)
        if error:
            stage.set_status(StatusCode.ERROR)


def test_a_denial_is_kept_whole_and_an_allow_is_not() -> None:
    keeper, kept, tracer = keeping(0.0)
    trace(tracer, "ALLOW")
    assert kept.names == []
    trace(tracer, "DENY")
    assert sorted(kept.names) == ["root", "stage", "step"]
    assert not keeper._waiting


@pytest.mark.parametrize("outcome", ["DENY", "THROTTLE", "CHALLENGE", "UNSPECIFIED", ""])
def test_everything_but_allow_is_a_denial(outcome: str) -> None:
    _, kept, tracer = keeping(0.0)
    trace(tracer, outcome)
    assert len(kept.names) == 3


def test_a_failure_is_kept() -> None:
    _, kept, tracer = keeping(0.0)
    trace(tracer, "ALLOW", error=True)
    assert len(kept.names) == 3


def test_allows_are_kept_by_ratio() -> None:
    _, kept, tracer = keeping(1.0)
    trace(tracer, "ALLOW")
    assert len(kept.names) == 3
    _, kept, tracer = keeping(0.5)
    for _ in range(400):
        trace(tracer, "ALLOW")
    assert 400 < len(kept.names) < 800  # of 1200


def test_waiting_traces_are_bounded() -> None:
    keeper, kept, tracer = keeping(0.0)
    opened = []
    for _ in range(WAITING_TRACES + 50):
        root = tracer.start_span("root")
        opened.append(root)
        from opentelemetry.trace import set_span_in_context

        tracer.start_span("child", context=set_span_in_context(root)).end()
    assert len(keeper._waiting) == WAITING_TRACES
    assert kept.names == []


def test_a_failed_step_shows_its_reason_never_its_text() -> None:
    exporter = InMemorySpanExporter()
    live = tracing.Tracing(exporter)
    reset = tracing._tracer.set(live.tracer("auth"))
    try:
        for error in (ValueError("hunter2"), Unavailable("redis")):
            with pytest.raises(type(error)), tracing.span("step"):
                raise error
    finally:
        tracing._tracer.reset(reset)
        live.close()
    spans = exporter.get_finished_spans()
    assert [dict(span.attributes or {})["error.type"] for span in spans] == ["ValueError", "DEPENDENCY_UNAVAILABLE"]
    assert all(not span.events and not span.status.description for span in spans)


def test_logs_withhold_what_could_be_text(lines: io.StringIO) -> None:
    logs.logger().info("auth.refused", reason="KEY_EXPIRED", tried=3, text="my dog is ill", to=["ada"])
    logs.logger().error("a sentence of Ada", exc_info=None)
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first["event"] == "auth.refused"
    assert (first["reason"], first["tried"], first["service"]) == ("KEY_EXPIRED", 3, "auth")
    assert (first["text"], first["to"]) == (logs.WITHHELD, logs.WITHHELD)
    assert second["event"] == logs.WITHHELD
    assert "Ada" not in lines.getvalue()


def test_libraries_are_quoted_by_name_only(lines: io.StringIO) -> None:
    try:
        int("hunter2")
    except ValueError:
        logging.getLogger("library.something").exception("password=hunter2 for %s", "ada@example.com")
    (line,) = (json.loads(text) for text in lines.getvalue().splitlines())
    assert (line["library"], line["severity"]) == ("library.something", "ERROR")
    assert "hunter2" not in lines.getvalue()
    assert "ada@" not in lines.getvalue()


def test_a_log_line_carries_the_trace(lines: io.StringIO) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("t").start_as_current_span("s") as span:
        logs.logger().info("auth.seen")
    (line,) = (json.loads(text) for text in lines.getvalue().splitlines())
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
