"""A stand-in for a model in docker-compose.yml: quotes what it was sent, and logs it. `python model.py PORT`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def words(content: Any) -> str:
    """The text of a message."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


class Model(BaseHTTPRequestHandler):
    """Answers /v1/chat/completions, whole or as events."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One answer."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = words(asked["messages"][-1]["content"])
        sys.stdout.write(f"was sent: {said}\n")
        sys.stdout.flush()
        reply = {"role": "assistant", "content": f"You wrote: {said}"}
        usage = {"prompt_tokens": len(said), "completion_tokens": len(said), "total_tokens": 2 * len(said)}
        answer = {"id": "chatcmpl-1", "created": 0, "model": asked.get("model", "quoting")}
        if asked.get("stream"):
            first = {"index": 0, "delta": reply, "finish_reason": None}
            last = {"index": 0, "delta": {}, "finish_reason": "stop"}
            chunks = [{**answer, "object": "chat.completion.chunk", "choices": [choice]} for choice in (first, last)]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            self.answer(body, "text/event-stream")
        else:
            choice = {"index": 0, "message": reply, "finish_reason": "stop"}
            whole = {**answer, "object": "chat.completion", "choices": [choice], "usage": usage}
            self.answer(json.dumps(whole), "application/json")

    def answer(self, body: str, media: str) -> None:
        """Sends it with its length."""
        self.send_response(200)
        self.send_header("content-type", media)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing beside what it was sent."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Model).serve_forever()
