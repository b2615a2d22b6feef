"""After a message with personal data nothing of it stands anywhere but with its owner: not in the text that goes to the
model, not in spans, not in logs, not in Redis, not in any file of PostgreSQL. Searched plain, as base64 and as hex."""

from __future__ import annotations

import asyncio
import base64
import logging
import shutil
from pathlib import Path

import pytest
from hauberk.common.v1 import decision_pb2 as decision
from redis.asyncio import Redis

from cli.asking import Gateway, by_key, question
from embedded.stack import Stack, StackOptions
from tests.support.otlp import receiver
from tests.support.stores import make_folder

VALUES = (
    "219-09-9988", "4532015112830366", "nora.leakproof@example.com", "(415) 555-2671", "742 Evergreen Terrace",
    "AKIAIOSFODNN7LEAKEDX", "correct-horse-42",
)  # fmt: skip
TEXT = "ssn {} card {} mail {} call {} lives at {} key {} password={}".format(*VALUES)


def forms(value: str) -> list[bytes]:
    """How the value could stand somewhere."""
    plain = value.encode()
    aligned = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, plain.hex().encode(), plain.hex().upper().encode(), *aligned]


def leaked(where: str, data: bytes) -> list[str]:
    return [f"{where}: {value[:3]}..." for value in VALUES for form in forms(value) if form in data]


async def everything_in_redis(url: str) -> bytes:
    client: Redis = Redis.from_url(url)
    parts: list[bytes] = []
    async for key in client.scan_iter("*"):
        parts += [key, await client.dump(key) or b""]
    await client.aclose()
    return b"\n".join(parts)


def every_file(folder: Path) -> bytes:
    """All that the stores have written, journals and logs included."""
    parts = []
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size < 64_000_000:
            parts.append(path.read_bytes())
    return b"\n".join(parts)


def test_every_form_would_be_noticed() -> None:
    for shift in range(3):
        hidden = base64.b64encode(b"x" * shift + TEXT.encode() + b"!")
        assert len(set(leaked("here", hidden))) == len(VALUES)
    assert len(set(leaked("here", TEXT.encode().hex().encode()))) == len(VALUES)


async def test_no_value_survives_anywhere(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    base = make_folder()
    try:
        async with (
            receiver() as spans,
            Stack.running(base / "data", StackOptions(otlp_endpoint=spans.endpoint, trace_ratio=1.0)) as stack,
        ):
            ask = question(by_key(stack.api_key), stack.brand, TEXT)
            answer = await Gateway(stack.channel("gateway")).admit(ask)
            assert answer.outcome == decision.OUTCOME_ALLOW
            sent = b"\n".join(message.text.encode() for message in answer.messages)
            assert b"<US_SSN>" in sent
            found = leaked("text for the model", sent)
            await asyncio.to_thread(stack.flush_spans)
            assert spans.raw
            found += leaked("spans", bytes(spans.raw))
            redis = await everything_in_redis(stack.stores.redis.url)
            assert b"hk:redaction:" in redis
            found += leaked("redis", redis)
            await asyncio.sleep(0.5)
            files = every_file(base)
            assert len(files) > 1_000_000
            found += leaked("files", files)
        written = capfd.readouterr()
        found += leaked("logs", "\n".join((caplog.text, written.out, written.err)).encode())
    finally:
        shutil.rmtree(base, ignore_errors=True)
    assert found == []
