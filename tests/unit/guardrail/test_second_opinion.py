"""The classifier outside, over real HTTP on this host: what it is sent, and that every way it can fail is no answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.guardrail.adapters.classifier import MOST_ANSWER, HttpClassifier, client
from services.guardrail.policy.model import Part, Source
from services.guardrail.ports import Leak
from services.guardrail.settings import GuardrailSettings
from services.kit.errors import Unavailable

DEADLINE = 0.3
PARTS = [Part(Source.USER, "Mail ann@example.com about it"), Part(Source.RETRIEVED, "Nothing here")]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Detector:
    """Finds one address, or does not answer."""

    def __init__(self, away: bool = False) -> None:
        self.away = away

    async def find(self, token: str, text: str, entities: object) -> list[Leak]:
        if self.away:
            raise Unavailable("redaction")
        place = text.find("ann@example.com")
        return [Leak("EMAIL_ADDRESS", place, place + 15)] if place >= 0 else []


class Server:
    """Answers each request with the same bytes; keeps what it was asked."""

    def __init__(self, answer: bytes, pause: float = 0.0) -> None:
        self.answer, self.pause = answer, pause
        self.asked: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
            self.asked.append(head + await reader.readexactly(length))
            for byte in [self.answer] if not self.pause else [bytes([each]) for each in self.answer]:
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(self.pause)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[str]:
    made = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    async with made:
        yield f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}/judge"


def http(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n".encode() + body


async def judged(server: Server, parts: list[Part] = PARTS, detector: Any = None) -> list[bool]:
    async with running(server) as url, client(DEADLINE) as out:
        return await HttpClassifier(out, url, detector or Detector(), ["EMAIL_ADDRESS"], DEADLINE).judge("t", parts)


async def test_it_is_sent_redacted_text_and_its_word_is_taken() -> None:
    server = Server(http(b'{"attacks": [true, false]}'))
    assert await judged(server) == [True, False]
    (asked,) = server.asked
    body = json.loads(asked.partition(b"\r\n\r\n")[2])
    assert body == {
        "texts": [
            {"source": "user", "text": "Mail <EMAIL_ADDRESS> about it"},
            {"source": "retrieved", "text": "Nothing here"},
        ]
    }
    assert b"ann@" not in asked and b"txn-token" not in asked.lower() and b"authorization" not in asked.lower()


async def test_nothing_to_ask_is_not_asked() -> None:
    server = Server(b"")
    assert await judged(server, []) == [] and server.asked == []


async def test_without_redaction_nothing_is_sent() -> None:
    server = Server(http(b'{"attacks": [false, false]}'))
    with pytest.raises(Unavailable):
        await judged(server, detector=Detector(away=True))
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        http(b"", "500 Internal Server Error"),
        http(b'{"attacks": [false, false]}', "503 Service Unavailable"),
        http(b'{"attacks": [false, false]}', "201 Created"),
        http(b"", "204 No Content"),
        http(b"", "302 Found", "Location: http://127.0.0.1:9/elsewhere\r\n"),
        http(b"", "307 Temporary Redirect", "Location: /judge\r\n"),
        http(b"no JSON"),
        http(b"\xff\xfe"),
        http(b"[]"),
        http(b'{"attacks": [false]}'),
        http(b'{"attacks": [false, false, false]}'),
        http(b'{"attacks": [0, 0]}'),
        http(b'{"attacks": ["no", "no"]}'),
        http(b'{"attacks": {"0": false, "1": false}}'),
        http(b'{"attacks": null}'),
        http(b'{"attacks": [false, false]}' + b" " * MOST_ANSWER),
        http(b"\x1f\x8b\x08\x00", extra="Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-server\r\n",
        b"",
    ],
)
async def test_what_is_no_answer_is_none(answer: bytes) -> None:
    server = Server(answer)
    with pytest.raises(Unavailable) as caught:
        await judged(server)
    assert len(server.asked) == 1  # not again, and nowhere else
    assert "127.0.0.1" not in str(caught.value)


async def test_a_slow_one_is_not_waited_for() -> None:
    started = time.perf_counter()
    with pytest.raises(Unavailable):
        await judged(Server(http(b'{"attacks": [false, false]}'), pause=0.05))
    assert time.perf_counter() - started < 4 * DEADLINE


async def test_nobody_there() -> None:
    async with client(DEADLINE) as out:
        away = HttpClassifier(out, "http://127.0.0.1:9/judge", Detector(), ["EMAIL_ADDRESS"], DEADLINE)
        with pytest.raises(Unavailable):
            await away.judge("t", PARTS)


async def test_off_by_default_and_never_without_tls() -> None:
    assert GuardrailSettings.model_validate({}).guardrail_classifier_url == ""
    with pytest.raises(ValueError, match="guardrail_classifier_url"):
        GuardrailSettings.model_validate({"guardrail_classifier_url": "http://classifier.example/"})


async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await judged(Server(http(b'{"attacks": [false, true]}'))) == [False, True]
