"""A streamed answer of chat completions, chunk by chunk."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.edge.openai.actions import (
    MAX_ARGUMENTS,
    MAX_CALLS,
    MAX_LANES,
    Action,
    Authorise,
    Call,
    Close,
    Done,
    Failed,
    Say,
    Show,
    call_of,
    used_of,
)
from gateway.edge.openai.plain import is_name, plain_part
from gateway.edge.openai.sse import Event
from gateway.edge.openai.strict import Json, Refused, read
from gateway.edge.openai.texts import name, objects

DONE = "[DONE]"
_HEAD = ("id", "object", "created", "model", "system_fingerprint", "service_tier")
_MAX_CHOICES = 16


@dataclass(slots=True)
class _Choice:
    lanes: dict[tuple[int, str], None] = field(default_factory=dict)
    calls: dict[int, Json] = field(default_factory=dict)
    finished: bool = False
    ended: bool = False


class ChatStream:
    """Says what to do about each event; keeps calls of tools until they are whole."""

    def __init__(self, *, shows_usage: bool) -> None:
        self._shows_usage = shows_usage
        self._head: Json = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None
        self.done = False

    def feed(self, event: Event) -> list[Action]:
        """Raises Refused for what cannot be understood."""
        if self.done:
            return []
        if event.data == DONE:
            return [*self.end(), *self._last(), Done(DONE)]
        chunk = read(event.data.encode())
        if chunk.get("error") is not None:
            return [Failed()]
        self._head.update({key: chunk[key] for key in _HEAD if key in plain_part(chunk)})
        actions: list[Action] = []
        used = used_of(chunk.get("usage"))
        if used is not None:
            self._usage = plain_part(chunk["usage"])
            actions.append(used)
        for choice in objects(chunk.get("choices", []), "choices"):
            self._choice(choice, actions)
        return actions

    def end(self) -> list[Action]:
        """The stream is over: whatever is not finished is brought to its end."""
        actions: list[Action] = []
        if not self.done:
            for index, own in self._choices.items():
                if not own.finished:
                    self._finish(index, own, None, actions)
        self.done = True
        return actions

    def said(self, lane: Hashable, text: str) -> Show:
        """Words that may be shown, as an event."""
        index, key = cast(tuple[int, str], lane)
        return Show(self._chunk(index, {key: text}))

    def shown(self, _lane: Hashable, _text: str) -> list[Show]:
        """What follows a text that was shown to its end: nothing here."""
        return []

    def allowed(self, _action: Authorise) -> list[Show]:
        """What tells of calls that may be made: the chunk that follows them."""
        return []

    def showing(self, show: Show) -> Show:
        """The event as it goes to the client."""
        if show.ends is not None:
            self._choices[show.ends].ended = True
        return show

    def cut(self, words: str) -> list[Action]:
        """Ends the answer here, in order."""
        left = [index for index, own in self._choices.items() if not own.ended] if self._choices else [0]
        self.done = True
        ends: list[Action] = [Show(self._chunk(index, {"refusal": words}, "content_filter")) for index in left]
        return [*ends, Done(DONE)]

    def _last(self) -> list[Action]:
        if self._usage is None or not self._shows_usage:
            return []
        return [Show({**self._head, "choices": [], "usage": self._usage})]

    def _choice(self, choice: Json, actions: list[Action]) -> None:
        index, delta = choice.get("index", 0), choice.get("delta") or {}
        if not isinstance(index, int) or not 0 <= index < _MAX_CHOICES or not isinstance(delta, dict):
            raise Refused("invalid_answer", "A choice is not as expected.", "choices")
        own = self._choices.setdefault(index, _Choice())
        if own.finished and any(delta.values()):
            raise Refused("invalid_answer", "A choice goes on after its end.", "choices")
        if delta.get("function_call") is not None or delta.get("audio") is not None:
            raise Refused("invalid_answer", "This kind of answer cannot be inspected.", "choices")
        for position, call in enumerate(objects(delta.pop("tool_calls", None) or [], "tool_calls")):
            self._call(own, call, position)
        rest = plain_part(delta)
        if rest:
            actions.append(Show(self._chunk(index, rest)))
        for key, value in delta.items():
            if isinstance(value, str) and key not in rest:
                own.lanes[index, key] = None
                actions.append(Say((index, key), value))
        if sum(len(one.lanes) for one in self._choices.values()) > MAX_LANES:
            raise Refused("invalid_answer", "An answer has too many texts.", "choices")
        reason = choice.get("finish_reason")
        if reason is not None and not own.finished:
            self._finish(index, own, reason if is_name("finish_reason", reason) else "stop", actions)

    def _call(self, own: _Choice, delta: Json, position: int) -> None:
        index = delta.get("index", position)
        function = delta.get("function") or {}
        if not isinstance(index, int) or not 0 <= index < MAX_CALLS or not isinstance(function, dict):
            raise Refused("invalid_answer", "A call of a tool is not as expected.", "tool_calls")
        kept = own.calls.setdefault(index, {"index": index, "function": {"name": "", "arguments": ""}})
        for key in ("id", "type"):
            if delta.get(key):
                kept[key] = name(delta, key, "tool_calls")
        for key in ("name", "arguments"):
            piece = function.get(key) or ""
            if not isinstance(piece, str) or len(kept["function"][key]) + len(piece) > MAX_ARGUMENTS:
                raise Refused("invalid_answer", "The arguments of a call are no text, or too long.", "tool_calls")
            kept["function"][key] += piece

    def _finish(self, index: int, own: _Choice, reason: str | None, actions: list[Action]) -> None:
        own.finished = True
        if own.lanes:
            actions.append(Close(tuple(own.lanes)))
        calls = [own.calls[at] for at in sorted(own.calls)]
        if calls:
            asked: list[Call] = []
            for call in calls:
                if call.setdefault("type", "function") != "function":
                    raise Refused("invalid_answer", "Only calls of functions can be authorised.", "tool_calls")
                asked.append(call_of(call["function"], "tool_calls"))
            actions += [Authorise(tuple(asked)), Show(self._chunk(index, {"tool_calls": calls}))]
        if reason is not None:
            actions.append(Show(self._chunk(index, {}, reason), ends=index))

    def _chunk(self, index: int, delta: Json, reason: str | None = None) -> Json:
        choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head, "choices": [choice]}
