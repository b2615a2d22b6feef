"""The responses interface of the unmodified OpenAI SDK through a real Envoy with the shipped ext_proc; and a gateway
that fails while it looks at requests and answers of either interface."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import openai
import pytest
import pytest_asyncio
import yaml

from embedded.stack import Stack
from gateway.clients import Services
from gateway.edge.lanes import WayBack
from gateway.edge.proc_admit import Prover
from services.kit.audit import SpooledTrail
from services.kit.errors import Unavailable
from tests.support import openai_talks as talks
from tests.support.backend import Backend, fresh
from tests.support.envoy import DEPLOY, Document, filter_of
from tests.support.model_server import Reply, responded, responded_stream, said, streamed
from tests.support.openai_front import MODEL, ModelFront, model_front

SECRET, MAIL = "457-55-5462", "ann@example.com"
TOOLS: Any = [
    {
        "type": "function",
        "name": talks.TOOL,
        "description": "Sends",
        "parameters": json.loads(talks.SCHEMA),
        "strict": False,
    }
]
ASKED: Any = {
    "model": MODEL,
    "instructions": f"Help {MAIL} kindly.",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": f"My SSN is {SECRET}."}]}],
    "tools": TOOLS,
}
TEXT = "Your number is <US_SSN>, and a < b. Ends here."
WHOLE = TEXT.replace("<US_SSN>", SECRET)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(stack: Stack) -> AsyncIterator[ModelFront]:
    await Backend(stack).tool(talks.SCHEMA, name=talks.TOOL, description="Sends a mail")
    async with model_front(stack) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def sdk(front: ModelFront) -> openai.AsyncOpenAI:
    return front.client(await front.user())


def answers(front: ModelFront, reply: Reply) -> int:
    front.model.script = lambda _: reply
    return len(front.model.got)


async def test_an_answer_as_a_whole(front: ModelFront, sdk: openai.AsyncOpenAI) -> None:
    held = await front.holds()
    before = answers(
        front, responded(TEXT, [(talks.TOOL, '{"to":"<EMAIL_ADDRESS>"}')], instructions="Help <EMAIL_ADDRESS>")
    )
    answer = await sdk.responses.create(**ASKED)
    assert answer.output_text == WHOLE
    (call,) = [item for item in answer.output if item.type == "function_call"]
    assert (call.name, call.arguments) == (talks.TOOL, json.dumps({"to": MAIL}, separators=(",", ":")))
    assert answer.instructions == ASKED["instructions"]
    (got,) = front.model.got[before:]
    assert SECRET.encode() not in got.body and MAIL.encode() not in got.body
    assert got.json["store"] is False and got.json["max_output_tokens"] == 1024
    assert await front.nothing_is_held(held)


async def test_an_answer_as_events(front: ModelFront, sdk: openai.AsyncOpenAI) -> None:
    held = await front.holds()
    calls = [(talks.TOOL, '{"to":"<EMAIL_ADDRESS>"}')]
    before = answers(front, responded_stream(TEXT, calls, size=2, instructions="Help <EMAIL_ADDRESS>"))
    text, events = "", []
    async for event in await sdk.responses.create(**ASKED, stream=True):
        events.append(event)
        text += event.delta if event.type == "response.output_text.delta" else ""
    assert text == WHOLE
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last: Any = events[-1]
    assert (last.type, last.response.output_text) == ("response.completed", WHOLE)
    assert last.response.output[1].arguments == json.dumps({"to": MAIL}, separators=(",", ":"))
    kinds = [event.type for event in events]
    assert kinds.index("response.function_call_arguments.done") > kinds.index("response.output_text.done")
    assert "<" + "US_SSN" not in repr(events) and "EMAIL_ADDRESS" not in repr(events)
    assert SECRET.encode() not in front.model.got[before].body
    assert await front.nothing_is_held(held)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_call_ends_the_answer(front: ModelFront, sdk: openai.AsyncOpenAI, stream: bool) -> None:
    calls = [("drop_tables", "{}")]
    answers(front, responded_stream("Wait.", calls) if stream else responded("Wait.", calls))
    if stream:
        events = [event async for event in await sdk.responses.create(**ASKED, stream=True)]
        assert events[-1].type == "response.incomplete"
        assert not [event for event in events if "function_call" in repr(event)]
        answer: Any = events[-1].response
    else:
        answer = await sdk.responses.create(**ASKED)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter")
    assert [item.type for item in answer.output] == ["message"]


@pytest.mark.parametrize(
    "more",
    [{"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]},
     {"input": [{"type": "item_reference", "id": "msg_1"}]}],
)  # fmt: skip
async def test_what_is_kept_elsewhere_is_refused(
    front: ModelFront, sdk: openai.AsyncOpenAI, more: dict[str, Any]
) -> None:
    before = answers(front, responded("never"))
    with pytest.raises(openai.BadRequestError):
        await sdk.responses.create(**{**ASKED, **more})
    assert len(front.model.got) == before


def fails(*_: Any, **__: Any) -> Any:
    raise Unavailable("redaction")


def breaks(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a defect")


CHAT: Any = {"model": MODEL, "messages": [{"role": "user", "content": f"My SSN is {SECRET}."}]}


@pytest.mark.parametrize("how", [fails, breaks])
@pytest.mark.parametrize(
    "where", [(Services, "redact"), (Services, "inspect_input"), (Prover, "work"), (SpooledTrail, "emit")]
)
async def test_a_gateway_that_fails_on_the_way_in_passes_nothing(
    front: ModelFront, sdk: openai.AsyncOpenAI, where: tuple[type, str], how: Any
) -> None:
    sdk = sdk.with_options(max_retries=0)
    held, before = await front.holds(), answers(front, said("never"))
    with patch.object(*where, how), pytest.raises(openai.InternalServerError):
        await sdk.chat.completions.create(**CHAT)
    assert len(front.model.got) == before
    assert await front.nothing_is_held(held)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("where", "how"),
    [((Services, "inspect_output"), fails), ((Services, "restore_stream"), fails), ((WayBack, "carry"), breaks)],
)
async def test_a_gateway_that_fails_on_the_way_back_shows_nothing(
    front: ModelFront, sdk: openai.AsyncOpenAI, where: tuple[type, str], how: Any, stream: bool
) -> None:
    sdk = sdk.with_options(max_retries=0)
    held = await front.holds()
    answers(front, streamed("Never <US_SSN>.", stalls=True) if stream else said("Never <US_SSN>."))
    shown = ""
    with patch.object(*where, how):
        try:
            if stream:
                async for part in await sdk.chat.completions.create(**CHAT, stream=True):
                    shown += "".join(choice.delta.content or "" for choice in part.choices)
            else:
                shown = (await sdk.chat.completions.create(**CHAT)).choices[0].message.content or ""
        except openai.APIError:
            pass
    assert shown == ""
    assert await front.nothing_is_held(held)


@pytest.mark.parametrize("roles", [[], ["viewer"]])
async def test_who_has_no_permission_gets_that_error(front: ModelFront, roles: list[str]) -> None:
    before, user = answers(front, said("never")), fresh("openai")
    if roles:
        await Backend(front.stack).member(user, roles=roles, brands=[front.stack.brand])
    with pytest.raises(openai.PermissionDeniedError) as refused:
        await front.client(user).responses.create(**ASKED)
    assert (refused.value.status_code, refused.value.code) == (403, "not_permitted")
    assert len(front.model.got) == before


async def test_other_paths_and_methods_are_closed(front: ModelFront) -> None:
    before = answers(front, said("never"))
    key = {"authorization": f"Bearer {front.stack.user_jwt(await front.user())}"}
    json_ = {**key, "content-type": "application/json"}
    chat = "/v1/chat/completions"
    asked: list[tuple[str, str, dict[str, str], bytes | None]] = [
        ("GET", "/v1/models", key, None),
        ("GET", chat, key, None),
        ("POST", f"{chat}?note={SECRET}", json_, b"{}"),
        ("POST", chat, key, b"{}"),
        ("POST", chat, {**json_, "content-encoding": "gzip"}, b"x"),
        ("POST", chat, json_, b'{"model":"a","model":"b"}'),
        ("POST", chat, json_, b"\xff"),
    ]
    tried = []
    for method, path, headers, body in asked:
        for _ in range(5):  # who asks is decided within 180 ms, or not at all
            answer = await front.raw.request(method, path, headers=headers, content=body)
            if answer.status_code != 503:
                break
        tried.append(answer)
    assert [answer.status_code for answer in tried] == [404, 405, 404, 415, 415, 400, 400]
    assert len(front.model.got) == before


def test_the_shipped_configuration_fails_closed() -> None:
    document: Document = yaml.safe_load((DEPLOY / "ext_proc.yaml").read_text())
    found = filter_of(document, "ext_proc")
    before = filter_of(document, "ext_authz")
    assert found is not None and before is not None
    assert found["failure_mode_allow"] is False and before["failure_mode_allow"] is False
    assert found["allow_mode_override"] is False
    modes = found["processing_mode"]
    assert (modes["request_body_mode"], modes["response_body_mode"]) == ("BUFFERED", "FULL_DUPLEX_STREAMED")
    text = json.dumps(document)
    assert text.index("http.ext_authz") < text.index("http.ext_proc") < text.index("http.router")
