"""Requests and whole answers: every word is found, everything else stays, and what is not understood is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hauberk.common.v1 import decision_pb2 as decision
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.openai.answer import answer_of, read_answer
from gateway.edge.openai.chat_request import read_chat
from gateway.edge.openai.responses_request import read_responses
from gateway.edge.openai.strict import Refused, read, write

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "SECRET-0"}]}
LEAF = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
)
TREE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.dictionaries(st.from_regex(r"x_[a-z]{1,6}", fullmatch=True), TREE, max_size=4))
def test_unknown_members_stay_as_they_are(more: dict[str, Any]) -> None:
    body = {**copy.deepcopy(CHAT), **copy.deepcopy(more)}
    asked = read_chat(body)
    written = json.loads(asked.sanitised([text.value for text in asked.texts], 0, ""))
    assert written == {**CHAT, **more}


@given(TREE)
def test_no_word_is_overlooked(tree: Any) -> None:
    marked = json.loads(json.dumps({"deep": tree, "last": "SECRET-1"}))
    body = {**copy.deepcopy(CHAT), "x_other": marked}
    body["messages"].append({"role": "tool", "tool_call_id": "c", "content": "SECRET-2", "x_note": ["SECRET-3"]})
    asked = read_chat(body)
    cleaned = [text.value.replace("SECRET-", "S") for text in asked.texts]
    assert b"SECRET-" not in asked.sanitised(cleaned, 0, "")


def test_every_place_has_its_source() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "0"},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "1"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "3"},
    ]
    tool = {"type": "function", "function": {"name": "f", "description": "4", "parameters": {"type": "object"}}}
    asked = read_chat({"model": "m", "messages": messages, "tools": [tool]})
    found = [(text.value, text.role, text.source, text.media_type) for text in asked.texts]
    describing = decision.SOURCE_TOOL_DESCRIPTION
    assert found == [
        ("0", decision.ROLE_SYSTEM, 0, ""),
        ("1", decision.ROLE_USER, 0, ""),
        ("ann", decision.ROLE_USER, 0, ""),
        ('{"a": "b"}', decision.ROLE_ASSISTANT, 0, "application/json"),
        ("3", decision.ROLE_TOOL, 0, ""),
        ("4", decision.ROLE_SYSTEM, describing, ""),
        ('{"type":"object"}', decision.ROLE_SYSTEM, describing, "application/json"),
    ]


@pytest.mark.parametrize(
    ("stated", "stream", "n", "reserved", "written"),
    [
        ({}, False, 1, 1024, {"max_completion_tokens": 1024}),
        ({}, False, 2, 1024, {"max_completion_tokens": 512, "n": 2}),
        ({}, True, 1, 1024, {}),
        ({"max_tokens": 50}, False, 1, 50, {"max_tokens": 50}),
        ({"max_tokens": 50}, True, 1, 30, {"max_tokens": 30}),
        ({"max_completion_tokens": 50}, True, 2, 60, {"max_completion_tokens": 30, "n": 2}),
    ],
)
def test_no_more_is_asked_for_than_was_reserved(
    stated: dict[str, int], stream: bool, n: int, reserved: int, written: dict[str, int]
) -> None:
    asked = read_chat({**copy.deepcopy(CHAT), **stated, "stream": stream, **({"n": n} if n > 1 else {})})
    body = json.loads(asked.sanitised(["a"], reserved, ""))
    assert {key: body[key] for key in body if key in ("max_tokens", "max_completion_tokens", "n")} == written
    assert body.get("stream_options") == ({"include_usage": True} if stream else None)


def test_the_canary_goes_into_the_first_instructions_only() -> None:
    body = {"model": "m", "messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}]}
    asked = read_chat(body)
    assert [one["content"] for one in json.loads(asked.sanitised(["a", "b"], 0, "hbc-x"))["messages"]] == [
        "a\n\nhbc-x",
        "b",
    ]


BAD_JSON = [
    b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b'{"a":NaN}', b"\xff{}", b'{"a":1}x', b"\xef\xbb\xbf{}",
    b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", b'{"a":' + b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
def test_json_is_read_in_one_way_or_not_at_all(body: bytes) -> None:
    with pytest.raises(Refused):
        read(body)


def test_half_a_character_is_not_written() -> None:
    with pytest.raises(Refused):
        write(read(b'{"a":"\\ud800"}'))


BAD_CHATS: list[dict[str, Any]] = [
    {"messages": []},
    {"messages": "x"},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": 7}]},
    {"messages": [{"role": ["user"], "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "x"}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "tool", "tool_call_id": "my ssn", "content": "x"}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"input": "x"}}]}]},
    {"messages": [{"role": "user", "content": "x"}] * 129},
    {"messages": [{"role": "user", "content": "x" * 262_145}]},
    {"model": "my secret model"},
    {"model": None},
    {"tools": [{"type": "function", "function": {"name": "a b"}}]},
    {"tools": [{"type": "function", "function": {"name": "a", "parameters": "x"}}]},
    {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
    {"tool_choice": {"type": "function", "function": {"name": "a", "note": "x"}}},
    {"tool_choice": "my words"},
    {"functions": [{"name": "x"}]},
    {"web_search_options": {"user_location": "x"}},
    {"modalities": ["text", "audio"]},
    {"temperature": {"note": "x"}},
    {"service_tier": "my words"},
    {"stream": "yes"},
    {"stream_options": {"include_usage": "words"}},
    {"stream_options": {"other": True}},
    {"n": 1000},
    {"n": True},
    {"max_tokens": 0},
    {"max_tokens": 5, "max_completion_tokens": 5},
    {"logprobs": True},
    {"a key": 1},
]


@pytest.mark.parametrize("change", BAD_CHATS, ids=range(len(BAD_CHATS)))
def test_a_chat_that_cannot_be_inspected_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read_chat({**copy.deepcopy(CHAT), **change})


BAD_RESPONSES: list[dict[str, Any]] = [
    {"input": None},
    {"input": [{"type": "reasoning", "encrypted_content": "x"}]},
    {
        "input": [
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "x"}]}
        ]
    },
    {"input": [{"type": "function_call", "call_id": "c", "name": "a b", "arguments": "{}"}]},
    {"input": [{"role": "tool", "content": "x"}]},
    {"instructions": {"a": "b"}},
    {"tools": [{"type": "mcp", "server_url": "x"}]},
    {"previous_response_id": "r"},
    {"conversation": "c"},
    {"prompt": {"id": "p"}},
    {"include": ["reasoning.encrypted_content"]},
    {"background": True},
]


@pytest.mark.parametrize("change", BAD_RESPONSES, ids=range(len(BAD_RESPONSES)))
def test_a_response_that_cannot_be_inspected_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read_responses({"model": "m", "input": "x", **change})


def message(**more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a <X>", **more}}]}


def test_every_text_of_an_answer_is_found_wherever_it_is() -> None:
    body = message(reasoning="r", annotations=[{"url": {"title": "t"}}])
    body |= {"id": "chatcmpl-1", "model": "m", "note": "n <Y>", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    body["choices"][0]["logprobs"] = {"content": [{"token": "<X>"}]}
    answer = answer_of("chat", body, {})
    assert sorted(place.value for place in answer.texts) == ["a <X>", "n <Y>", "r", "t"]
    assert (answer.used and answer.used.output_tokens) == 4
    for place in answer.texts:
        place.put(place.value.upper())
    written = json.loads(answer.write())
    assert written["choices"][0]["message"]["content"] == "A <X>" and written["choices"][0]["logprobs"] is None


BAD_ANSWERS: list[dict[str, Any]] = [
    {"choices": "x"},
    {"choices": [{"message": "x"}]},
    message(function_call={"name": "x"}),
    message(audio={"data": "x"}),
    message(tool_calls=[{"id": "c", "type": "custom", "custom": {}}]),
    message(tool_calls=[{"id": "c <X>", "type": "function", "function": {"name": "f"}}]),
    message(tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]),
    {"choices": [message()["choices"][0]] * 100},
]


@pytest.mark.parametrize("body", BAD_ANSWERS, ids=range(len(BAD_ANSWERS)))
def test_an_answer_that_cannot_be_inspected_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read_answer("chat", json.dumps(body).encode(), {})


def test_a_refused_answer_has_nothing_of_the_models_own() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    answer = answer_of("chat", message(tool_calls=calls, reasoning="r"), {})
    answer.refuse("No.")
    (choice,) = json.loads(answer.write())["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "No."}
    assert choice["finish_reason"] == "content_filter"


@given(TREE)
def test_no_answer_does_more_than_be_refused(tree: Any) -> None:
    for interface in ("chat", "responses"):
        for body in ({"choices": tree}, {"output": tree}, {"choices": [{"message": tree}]}, {"output": [tree]}):
            try:
                answer_of(interface, copy.deepcopy(body), {})
            except Refused:
                continue
