"""A streamed answer of the responses interface, event by event; what is not known of its events is left out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, cast

from gateway.edge.openai.actions import (
    MAX_CALLS,
    MAX_LANES,
    Action,
    Authorise,
    Close,
    Done,
    Failed,
    Say,
    Show,
    call_of,
    used_of,
)
from gateway.edge.openai.answer import REPEATED, withheld
from gateway.edge.openai.plain import plain_part
from gateway.edge.openai.sse import Event
from gateway.edge.openai.strict import Json, Refused, read
from gateway.edge.openai.texts import name

Lane = tuple[int, str, int]
# Where the words of an event belong: the item's list, the field with the position, the member, the kind of the part.
_WORDS = {
    "response.output_text": ("content", "content_index", "text", "output_text"),
    "response.refusal": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text": ("content", "content_index", "text", "reasoning_text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "text", "summary_text"),
}
_PARTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
_BEGINS = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS = frozenset({"response.completed", "response.incomplete"})


class ResponsesStream:
    """Says what to do about each event; `asked` is the client's own request, parts of which an answer repeats."""

    def __init__(self, asked: Json) -> None:
        self._asked = asked
        self._head: Json = {"id": "resp_0", "object": "response", "output": []}
        self._lanes: dict[Lane, Json] = {}
        self._closed: set[Lane] = set()
        self._items: dict[int, Json] = {}
        self._number = 0
        self.done = False

    def feed(self, event: Event) -> list[Action]:
        """Raises Refused for what cannot be understood."""
        if self.done:
            return []
        body = read(event.data.encode())
        kind = body.get("type")
        stem, _, last = str(kind).rpartition(".")
        if kind in ("error", "response.failed"):
            return [Failed()]
        if kind in _BEGINS:
            return [self._show(str(kind), {"response": {**self._response(body), "output": []}})]
        if kind in _ENDS:
            return self._finished(str(kind), body)
        if kind in ("response.output_item.added", "response.output_item.done"):
            return self._item(body, done=last == "done")
        if stem in _WORDS and last in ("delta", "done"):
            return self._words(stem, body, done=last == "done")
        if stem in _PARTS and last in ("added", "done"):
            return self._part(stem, body, done=last == "done")
        return []

    def end(self) -> list[Action]:
        """The stream is over, without its last event."""
        self.done = True
        return []

    def said(self, lane: Hashable, text: str) -> Show:
        """Words that may be shown, as an event."""
        own = self._lanes[cast(Lane, lane)]
        return self._show(f"{own['stem']}.delta", {**own["place"], "delta": text})

    def shown(self, lane: Hashable, text: str) -> list[Show]:
        """The event that says a text again, whole."""
        own = self._lanes[cast(Lane, lane)]
        own["part"] = {**own["part"], own["member"]: text}
        return [self._show(f"{own['stem']}.done", {**own["place"], own["member"]: text})]

    def allowed(self, action: Authorise) -> list[Show]:
        """A call that may be made, in the events that tell of one."""
        found: list[Show] = []
        for call in action.calls:
            item = call.holder
            index = next(at for at, one in self._items.items() if one is item)
            place = {"item_id": item.get("id"), "output_index": index}
            found += [
                self._show("response.output_item.added", {"output_index": index, "item": {**item, "arguments": ""}}),
                self._show("response.function_call_arguments.delta", {**place, "delta": item["arguments"]}),
                self._show("response.function_call_arguments.done", {**place, "arguments": item["arguments"]}),
                self._show("response.output_item.done", {"output_index": index, "item": item}),
            ]
        return found

    def showing(self, show: Show) -> Show:
        """The event as it goes to the client, counted."""
        self._number += 1
        return replace(show, event={**show.event, "sequence_number": self._number - 1})

    def cut(self, words: str) -> list[Action]:
        """Ends the answer here, in order."""
        self.done = True
        response = {**self._head, **withheld(words)}
        return [self._show("response.incomplete", {"response": response}), Done()]

    def _show(self, kind: str, members: Json) -> Show:
        return Show({"type": kind, **members}, kind)

    def _response(self, body: Json) -> Json:
        found = body.get("response")
        if not isinstance(found, dict):
            raise Refused("invalid_answer", "A response is expected here.", "response")
        plain = plain_part({key: value for key, value in found.items() if key not in REPEATED and key != "output"})
        self._head = {**plain, **{key: self._asked.get(key) for key in REPEATED if key in found}}
        return self._head

    def _finished(self, kind: str, body: Json) -> list[Action]:
        response = {**self._response(body), "output": [self._items[index] for index in sorted(self._items)]}
        self.done = True
        used = used_of(response.get("usage"))
        left = tuple(lane for lane in self._lanes if lane not in self._closed)
        if left:
            raise Refused("invalid_answer", "A text of the answer has no end.", "response")
        return [*([used] if used else []), self._show(kind, {"response": response}), Done()]

    def _item(self, body: Json, *, done: bool) -> list[Action]:
        index, item = _index(body, "output_index"), body.get("item")
        kind = item.get("type") if isinstance(item, dict) else None
        if not isinstance(item, dict) or kind not in ("message", "function_call", "reasoning") or index in self._items:
            raise Refused("invalid_answer", "This kind of answer cannot be inspected.", "item")
        if kind == "function_call":
            if not done:  # nothing of a call is told before it is whole, and allowed
                return []
            name(item, "call_id", "item")
            own = {**plain_part(item), "name": name(item, "name", "item"), "arguments": item.get("arguments")}
            self._items[index] = own
            return [Authorise((call_of(own, "item"),))]
        plain = plain_part({key: one for key, one in item.items() if key not in ("content", "summary")})
        lists: Json = {key: self._parts(index, key) if done else [] for key in ("content", "summary") if key in item}
        if done:
            self._items[index] = {**plain, **lists}
        return [self._show(str(body["type"]), {"output_index": index, "item": {**plain, **lists}})]

    def _parts(self, index: int, key: str) -> list[Any]:
        return [self._lanes[lane]["part"] for lane in sorted(self._lanes) if lane[:2] == (index, key)]

    def _part(self, stem: str, body: Json, *, done: bool) -> list[Action]:
        key, position = _PARTS[stem]
        lane = (_index(body, "output_index"), key, _index(body, position))
        place = {"item_id": _id(body), "output_index": lane[0], position: lane[2]}
        part = body.get("part")
        kind = part.get("type") if isinstance(part, dict) else None
        member = next((words[2] for words in _WORDS.values() if words[3] == kind), None)
        if member is None:
            raise Refused("invalid_answer", "This kind of answer cannot be inspected.", "part")
        shown: Json = {"type": kind, member: ""}
        if kind == "output_text":
            shown["annotations"] = []
        if done and lane in self._lanes:
            shown = self._lanes[lane]["part"]
        return [self._show(f"{stem}.{'done' if done else 'added'}", {**place, "part": shown})]

    def _words(self, stem: str, body: Json, *, done: bool) -> list[Action]:
        key, position, member, kind = _WORDS[stem]
        lane = (_index(body, "output_index"), key, _index(body, position))
        if lane not in self._lanes:
            place = {"item_id": _id(body), "output_index": lane[0], position: lane[2]}
            part: Json = {"type": kind, member: "", **({"annotations": []} if kind == "output_text" else {})}
            self._lanes[lane] = {"stem": stem, "place": place, "member": member, "part": part}
            if len(self._lanes) > MAX_LANES:
                raise Refused("invalid_answer", "An answer has too many texts.")
        if self._lanes[lane]["stem"] != stem or lane in self._closed:
            raise Refused("invalid_answer", "A text goes on after its end.", "delta")
        if done:  # what was said piece by piece is what counts, not what is said at the end
            self._closed.add(lane)
            return [Say(lane, ""), Close((lane,))]
        text = body.get("delta")
        if not isinstance(text, str):
            raise Refused("invalid_answer", "A text is expected here.", "delta")
        return [Say(lane, text)]


def _index(body: Json, key: str) -> int:
    value = body.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_CALLS:
        raise Refused("invalid_answer", "A position is expected here.", key)
    return value


def _id(body: Json) -> str:
    return name(body, "item_id", "event", needed=False)
