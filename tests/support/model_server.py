"""A stand-in for a model: an OpenAI-compatible server that remembers what it was sent and answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    def last(self) -> str:
        """The last thing that was said to the model."""
        message = self.json["messages"][-1]["content"]
        return message if isinstance(message, str) else "".join(part["text"] for part in message)


@dataclass(frozen=True)
class Reply:
    """What it answers. `pieces` are the bytes of a stream, cut as they are sent; after them it `stalls`."""

    body: bytes = b""
    status: int = 200
    media: str = "application/json"
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    stalls: bool = False
    headers: tuple[tuple[str, str], ...] = ()


Script = Callable[[Got], Reply]


def said(
    text: str | None, calls: Iterable[tuple[str, str]] = (), usage: tuple[int, int] = (20, 10), **more: Any
) -> Reply:
    """A whole answer."""
    message: Json = {"role": "assistant", "content": text, "refusal": None}
    made = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    if made:
        message["tool_calls"] = made
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if made else "stop"}
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stand-in", "choices": [choice],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}, **more,
    }  # fmt: skip
    return Reply(json.dumps(body).encode())


def chunk(delta: Json, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """One event of a stream."""
    body = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stand-in",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more,
    }  # fmt: skip
    return f"data: {json.dumps(body)}\n\n".encode()


def streamed(
    text: str, calls: Iterable[tuple[str, str]] = (), size: int = 3, cut: int = 0, usage: tuple[int, int] = (20, 10),
    **more: Any,
) -> Reply:  # fmt: skip
    """The same as events, a few characters each; `cut` sends them in pieces of so many bytes, whatever is in them."""
    made = list(calls)
    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": text[start : start + size]}) for start in range(0, len(text), size)]
    for number, (name, arguments) in enumerate(made):
        first = {"index": number, "id": f"call_{number}", "type": "function"}
        events.append(chunk({"tool_calls": [{**first, "function": {"name": name, "arguments": ""}}]}))
        for start in range(0, len(arguments), size):
            part = {"index": number, "function": {"arguments": arguments[start : start + size]}}
            events.append(chunk({"tool_calls": [part]}))
    events.append(chunk({}, "tool_calls" if made else "stop"))
    spent = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    end = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stand-in", "choices": []}
    events += [f"data: {json.dumps({**end, 'usage': spent})}\n\n".encode(), b"data: [DONE]\n\n"]
    if cut:
        whole = b"".join(events)
        events = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    return Reply(media="text/event-stream", pieces=tuple(events), **more)


def failed(status: int, message: str, code: str = "") -> Reply:
    """An error as such servers write it."""
    return Reply(json.dumps({"error": {"message": message, "type": "x", "code": code or None}}).encode(), status)


class ModelServer:
    """Serves one script; `got` is everything that reached it, `left` how many answers nobody waited for."""

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or (lambda got: said(got.last()))
        self.got: list[Got] = []
        self.left = 0
        self.port = 0
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ModelServer]:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._served(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError):
                while True:
                    await self._one(reader, writer)
        except OSError:
            self.left += 1
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        got = Got(head[0].split(" ")[1], headers, body)
        self.got.append(got)
        reply = self.script(got)
        fields = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        start = f"HTTP/1.1 {reply.status} X\r\ncontent-type: {reply.media}\r\n{fields}"
        if not reply.pieces:
            writer.write(f"{start}content-length: {len(reply.body)}\r\n\r\n".encode() + reply.body)
            await writer.drain()
            return
        writer.write(f"{start}transfer-encoding: chunked\r\n\r\n".encode())
        for piece in reply.pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            if reply.pause:
                await asyncio.sleep(reply.pause)
        if reply.stalls:
            await reader.read(1)
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _response(text: str, calls: Iterable[tuple[str, str]], repeated: Json) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    output: list[Json] = [
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    ]
    for number, (name, arguments) in enumerate(calls):
        call = {"id": f"fc_{number}", "type": "function_call", "call_id": f"call_{number}", "status": "completed"}
        output.append({**call, "name": name, "arguments": arguments})
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "stand-in", "status": "completed",
        "error": None, "incomplete_details": None, "output": output, "usage": {"input_tokens": 20, "output_tokens": 10},
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0,
        "metadata": {}, **repeated,
    }  # fmt: skip


def responded(text: str, calls: Iterable[tuple[str, str]] = (), **repeated: Any) -> Reply:
    """A whole answer of the responses interface, repeating parts of the request."""
    return Reply(json.dumps(_response(text, calls, repeated)).encode())


def responded_stream(text: str, calls: Iterable[tuple[str, str]] = (), size: int = 3, **repeated: Any) -> Reply:
    """The same as events."""
    whole = _response(text, calls, repeated)
    message, *made = whole["output"]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = message["content"][0]
    events: list[Json] = [
        {"type": "response.created", "response": {**whole, "output": [], "status": "in_progress", "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": text[start : start + size], "logprobs": []}
            for start in range(0, len(text), size)
        ),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
    ]
    for index, item in enumerate(made, 1):
        own = {"item_id": item["id"], "output_index": index}
        events += [
            {"type": "response.output_item.added", "output_index": index, "item": {**item, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", **own, "delta": item["arguments"]},
            {"type": "response.function_call_arguments.done", **own, "arguments": item["arguments"]},
            {"type": "response.output_item.done", "output_index": index, "item": item},
        ]
    events.append({"type": "response.completed", "response": whole})
    named = [
        f"event: {one['type']}\ndata: {json.dumps({**one, 'sequence_number': at})}\n\n" for at, one in enumerate(events)
    ]
    return Reply(media="text/event-stream", pieces=tuple(one.encode() for one in named))
