"""Streams of both interfaces, cut anywhere: the same words in the same texts, and no call before it is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.openai import actions
from gateway.edge.openai.chat_stream import ChatStream
from gateway.edge.openai.responses_stream import ResponsesStream
from gateway.edge.openai.sse import MAX_EVENT, Event, Events
from gateway.edge.openai.strict import Refused
from tests.support.model_server import chunk, responded_stream, streamed

WORDS = st.text(alphabet="ab <>_1ü\r\n€😀", max_size=60)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def events(parts: list[bytes]) -> list[Event]:
    reader = Events()
    found = [event for part in parts for event in reader.add(part)]
    return found + reader.add(b"", end=True)


def done(machine: Any, data: list[Event]) -> list[actions.Action]:
    return [action for event in data for action in machine.feed(event)]


def texts(todo: list[actions.Action]) -> dict[Any, str]:
    found: dict[Any, str] = {}
    for action in todo:
        if isinstance(action, actions.Say):
            found[action.lane] = found.get(action.lane, "") + action.text
    return found


@given(st.lists(WORDS, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 9999), max_size=20))
def test_events_are_the_same_however_the_bytes_come(said: list[str], end: str, cuts: list[int]) -> None:
    lines = [f": note{end}data:{json.dumps(text)}{end}id: 7{end}{end}" for text in said]
    data = "".join(lines).encode()
    assert [event.data for event in events(pieces(data, cuts))] == [json.dumps(text) for text in said]


@given(WORDS, st.integers(1, 9), st.lists(st.integers(0, 99_999), max_size=30))
def test_a_chat_is_the_same_however_the_bytes_come(text: str, size: int, cuts: list[int]) -> None:
    data = b"".join(streamed(text, [("send", '{"to": "<X>"}'), ("stop", "{}")], size=size).pieces)
    todo = done(ChatStream(shows_usage=True), events(pieces(data, cuts)))
    assert texts(todo) == ({(0, "content"): text} if text else {})
    (asked,) = [action for action in todo if isinstance(action, actions.Authorise)]
    assert [(call.tool, call.arguments) for call in asked.calls] == [("send", '{"to": "<X>"}'), ("stop", "{}")]
    at = todo.index(asked)
    assert not any(isinstance(action, actions.Show) and "tool_calls" in repr(action) for action in todo[:at])
    assert isinstance(todo[-1], actions.Done) and actions.Used(20, 10) in todo
    if text:
        assert todo.index(actions.Close(((0, "content"),))) < at


@given(WORDS, st.integers(1, 9), st.lists(st.integers(0, 99_999), max_size=30))
def test_a_response_is_the_same_however_the_bytes_come(text: str, size: int, cuts: list[int]) -> None:
    data = b"".join(responded_stream(text, [("send", '{"to": "<X>"}')], size=size).pieces)
    todo = done(ResponsesStream({}), events(pieces(data, cuts)))
    assert texts(todo) == {(0, "content", 0): text}
    (asked,) = [action for action in todo if isinstance(action, actions.Authorise)]
    assert not any("function_call" in repr(action) for action in todo[: todo.index(asked)])
    assert isinstance(todo[-1], actions.Done)


@given(st.binary(max_size=200), st.lists(st.integers(0, 999), max_size=5))
def test_no_bytes_do_more_than_be_refused(data: bytes, cuts: list[int]) -> None:
    for machine in (ChatStream(shows_usage=True), ResponsesStream({})):
        try:
            done(machine, events(pieces(b"data: " + data + b"\n\n", cuts)))
        except Refused:
            continue


BAD: list[bytes] = [
    b'data: {"choices": [{"index": 0, "delta": {"content": "a"}, "delta": {}}]}\n\n',
    b"data: [1]\n\n",
    b"data: {\n\n",
    b"data: \xff\n\n",
    b"data: " + b"x" * (MAX_EVENT + 1),
    chunk({"function_call": {"name": "x"}}),
    chunk({"audio": {"data": "x"}}),
    chunk({"content": "a"}, index=99),
    chunk({}, "stop") + chunk({"content": "more"}),
    chunk({"tool_calls": [{"index": 0, "function": {"name": "a b"}}]}, "tool_calls"),
    chunk({"tool_calls": [{"index": 0, "type": "custom", "function": {"name": "a"}}]}, "tool_calls"),
    chunk({"tool_calls": [{"index": 9999, "function": {"name": "a"}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": {"a": 1}}}]}),
    chunk({"tool_calls": [{"index": 0, "id": "call <X>", "function": {}}]}),
]


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_what_cannot_be_understood_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        done(ChatStream(shows_usage=True), events([data]))


RESPONSES: list[dict[str, Any]] = [
    {"type": "response.output_item.done", "output_index": 0, "item": {"type": "web_search_call"}},
    {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": {"type": "function_call", "name": "a b", "call_id": "c"},
    },
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": {"a": 1}},
    {"type": "response.output_text.delta", "output_index": -1, "content_index": 0, "delta": "a"},
    {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_audio"}},
    {"type": "response.completed", "response": None},
]


@pytest.mark.parametrize("event", RESPONSES, ids=range(len(RESPONSES)))
def test_events_that_cannot_be_understood_are_refused(event: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        ResponsesStream({}).feed(Event(json.dumps(event)))


def test_a_text_without_its_end_is_no_answer() -> None:
    machine = ResponsesStream({})
    machine.feed(Event(json.dumps({"type": "response.output_text.delta", "delta": "a"})))
    with pytest.raises(Refused):
        machine.feed(Event(json.dumps({"type": "response.completed", "response": {"output": []}})))


def test_every_text_of_a_choice_has_a_lane_and_what_is_deeper_is_left_out() -> None:
    delta = {"content": "a", "reasoning_content": "b", "role": "assistant", "deep": {"words": "c <X>"}, "score": 1}
    todo = ChatStream(shows_usage=True).feed(Event(chunk(delta)[6:].decode().strip()))
    assert texts(todo) == {(0, "content"): "a", (0, "reasoning_content"): "b"}
    (shown,) = [action for action in todo if isinstance(action, actions.Show)]
    assert shown.event["choices"][0]["delta"] == {"role": "assistant", "score": 1}


def test_an_event_with_other_words_beside_the_choices_loses_them() -> None:
    todo = ChatStream(shows_usage=True).feed(Event(chunk({"content": ""}, note="a <X> b", model="m-1")[6:].decode()))
    (shown,) = [action for action in todo if isinstance(action, actions.Show)]
    assert "note" not in shown.event and shown.event["model"] == "m-1"


@pytest.mark.parametrize("shows", [True, False])
def test_usage_is_shown_or_not(shows: bool) -> None:
    todo = done(ChatStream(shows_usage=shows), events(list(streamed("a").pieces)))
    shown = [action for action in todo if isinstance(action, actions.Show) and action.event.get("usage")]
    assert len(shown) == shows


def test_an_error_of_the_model_ends_it() -> None:
    assert ChatStream(shows_usage=True).feed(Event('{"error": {"message": "x"}}')) == [actions.Failed()]
    assert ResponsesStream({}).feed(Event('{"type": "error", "message": "x"}')) == [actions.Failed()]


def test_a_cut_ends_every_choice_that_has_no_end_yet() -> None:
    machine = ChatStream(shows_usage=True)
    for data in (chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk({}, "stop", index=1)):
        for action in machine.feed(Event(data[6:].decode().strip())):
            if isinstance(action, actions.Show):
                machine.showing(action)
    ends = machine.cut("No.")
    shown = [action.event["choices"][0] for action in ends if isinstance(action, actions.Show)]
    assert [(one["index"], one["finish_reason"], one["delta"]) for one in shown] == [
        (0, "content_filter", {"refusal": "No."})
    ]
    assert ends[-1] == actions.Done("[DONE]")
    assert machine.feed(Event("[DONE]")) == []
