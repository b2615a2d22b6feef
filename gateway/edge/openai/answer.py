"""A whole answer of a model: its words, its calls of tools, what it used; and how it is written when some changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.edge.openai.actions import MAX_CALLS, MAX_LANES, Call, Used, call_of, used_of
from gateway.edge.openai.asked import Interface
from gateway.edge.openai.plain import is_name
from gateway.edge.openai.strict import Json, Refused, read, write
from gateway.edge.openai.texts import name, objects

_MAX_TEXT = 1 << 20
# What the responses interface repeats of the request: put back as the client wrote it, so that it needs no second look.
REPEATED = (
    "instructions", "input", "tools", "tool_choice", "text", "metadata", "user", "reasoning", "prompt",
    "safety_identifier", "prompt_cache_key", "truncation",
)  # fmt: skip


def withheld(words: str) -> Json:
    """Members of a response that says no more than this."""
    said = {"type": "refusal", "refusal": words}
    message = {"id": "msg_withheld", "type": "message", "role": "assistant", "status": "incomplete", "content": [said]}
    return {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": [message]}


@dataclass(frozen=True, slots=True)
class Place:
    """A text in the answer."""

    holder: Any
    key: Any

    @property
    def value(self) -> str:
        """The words there."""
        found: str = self.holder[self.key]
        return found

    def put(self, text: str) -> None:
        """Other words."""
        self.holder[self.key] = text


@dataclass(slots=True)
class Answered:
    """One answer."""

    interface: Interface
    body: Json
    texts: list[Place] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    used: Used | None = None

    def refuse(self, words: str) -> None:
        """Nothing of it is shown; `words` are in its place."""
        if self.interface == "chat":
            for choice in self.body["choices"]:
                choice["message"] = {"role": "assistant", "content": None, "refusal": words}
                choice["finish_reason"] = "content_filter"
            return
        self.body.update(withheld(words))

    def write(self) -> bytes:
        """As it goes to the client."""
        return write(self.body)


def read_answer(interface: Interface, body: bytes, asked: Json) -> Answered:
    """Raises Refused when any of it cannot be understood; `asked` is the client's own request."""
    return answer_of(interface, read(body), asked)


def answer_of(interface: Interface, body: Json, asked: Json) -> Answered:
    """The same, of JSON that was read."""
    answer = Answered(interface, body, used=used_of(body.get("usage")))
    if interface == "chat":
        for choice in objects(body.get("choices"), "choices", at_most=16):
            _choice(choice, answer)
    else:
        for key in REPEATED:
            if key in body:
                body[key] = asked.get(key)
        for item in objects(body.get("output"), "output", at_most=MAX_CALLS):
            _item(item, answer)
    own = [key for key in body if interface == "chat" or key not in REPEATED]
    _walk(body, own, {id(call.holder) for call in answer.calls}, answer.texts)
    if len(answer.texts) > MAX_LANES or len(answer.calls) > MAX_CALLS:
        raise Refused("invalid_answer", "An answer has too many parts.")
    if any(len(place.value) > _MAX_TEXT for place in answer.texts):
        raise Refused("invalid_answer", "An answer is too long.")
    return answer


def _choice(choice: Json, answer: Answered) -> None:
    message = choice.get("message")
    if not isinstance(message, dict) or message.get("function_call") or message.get("audio"):
        raise Refused("invalid_answer", "This kind of answer cannot be inspected.", "choices")
    if "logprobs" in choice:
        choice["logprobs"] = None  # the words once more, token by token
    for call in objects(message.get("tool_calls") or [], "tool_calls", at_most=MAX_CALLS):
        name(call, "id", "tool_calls")
        if call.get("type", "function") != "function" or set(call) - {"id", "type", "function", "index"}:
            raise Refused("invalid_answer", "Only calls of functions can be authorised.", "tool_calls")
        _keep(call.get("function"), {"name", "arguments"}, answer)


def _item(item: Json, answer: Answered) -> None:
    kind = item.get("type")
    if kind == "function_call":
        name(item, "call_id", "output")
        _keep(item, {"type", "id", "call_id", "name", "arguments", "status"}, answer)
        for key in ("id", "status"):
            name(item, key, "output", needed=False)
    elif kind == "reasoning":
        item.pop("encrypted_content", None)  # cannot be looked at, and is not taken back either
    elif kind != "message":
        raise Refused("invalid_answer", "This kind of answer cannot be inspected.", "output")
    for part in item.get("content") or [] if isinstance(item.get("content"), list) else []:
        if isinstance(part, dict) and "logprobs" in part:
            part["logprobs"] = []


def _keep(function: Any, members: set[str], answer: Answered) -> None:
    call = call_of(function, "tool_calls")
    for other in set(call.holder) - members:
        del call.holder[other]
    answer.calls.append(call)


def _walk(holder: Any, keys: Iterable[Any], skipped: set[int], texts: list[Place]) -> None:
    for key in keys:
        value = holder[key]
        if isinstance(value, str):
            if value and not is_name(key, value):
                texts.append(Place(holder, key))
        elif isinstance(value, dict | list) and id(value) not in skipped:
            _walk(value, list(value) if isinstance(value, dict) else range(len(value)), skipped, texts)
