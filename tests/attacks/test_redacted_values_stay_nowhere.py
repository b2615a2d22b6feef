"""After a message with personal data nothing of it stands anywhere but with its owner: not in the text that goes to the
model, not in spans, metrics or logs, not in Redis, not in a row or any file of PostgreSQL. Searched plain, as base64
and as hex. Also what only an organisation's own recognizer finds, and what it was tried on."""

from __future__ import annotations

import asyncio
import base64
import logging
import shutil
from pathlib import Path

import psycopg
import pytest
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from redis.asyncio import Redis

from cli.asking import Gateway, by_key, question
from cli.members import Administrator
from embedded.stack import Stack, StackOptions
from tests.support.otlp import receiver
from tests.support.stores import make_folder

VALUES = (
    "219-09-9988", "4532015112830366", "nora.leakproof@example.com", "(415) 555-2671", "742 Evergreen Terrace",
    "AKIAIOSFODNN7LEAKEDX", "correct-horse-42", "ZQ-48151623",
)  # fmt: skip
TEXT = "ssn {} card {} mail {} call {} lives at {} key {} password={} badge {}".format(*VALUES)
OWN = redaction.Recognizer(entity="BADGE", pattern=r"\bZQ-[0-9]{8}\b", score=0.9, context=["badge"])


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


def every_row(admin_dsn: str) -> bytes:
    """All tables of all services, as text."""
    parts = []
    with psycopg.connect(admin_dsn) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert {"redaction.recognizers", "redaction.settings"} <= {name for (name,) in tables}
        for (name,) in tables:
            every = f"COPY (SELECT * FROM {name}) TO STDOUT"  # a name that the catalog quoted
            with connection.cursor().copy(every) as rows:
                parts += [bytes(row) for row in rows]
    return b"\n".join(parts)


async def brought(stack: Stack) -> redaction.PutRecognizerResponse:
    """The organisation's own recognizer, put there and tried on a value."""
    own = await Administrator(stack).metadata()
    request = redaction.PutRecognizerRequest(recognizer=OWN, samples=[f"badge {VALUES[-1]}"])
    answer: redaction.PutRecognizerResponse = await RedactionServiceStub(stack.channel("redaction")).PutRecognizer(
        request, timeout=5, metadata=own
    )
    return answer


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
    metered = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([metered]))
    base = make_folder()
    try:
        async with (
            receiver() as spans,
            Stack.running(base / "data", StackOptions(otlp_endpoint=spans.endpoint, trace_ratio=1.0)) as stack,
        ):
            tried = await brought(stack)
            assert [len(sample.findings) for sample in tried.samples] == [1]
            ask = question(by_key(stack.api_key), stack.brand, TEXT)
            answer = await Gateway(stack.channel("gateway")).admit(ask)
            assert answer.outcome == decision.OUTCOME_ALLOW
            sent = b"\n".join(message.text.encode() for message in answer.messages)
            assert b"<US_SSN>" in sent and b"<BADGE>" in sent
            found = leaked("text for the model", sent)
            back = await Gateway(stack.channel("gateway")).complete(answer.admission, "<US_SSN>, <BADGE>")
            assert back.text == f"{VALUES[0]}, {VALUES[-1]}"
            await asyncio.to_thread(stack.flush_spans)
            assert spans.raw
            found += leaked("spans", bytes(spans.raw))
            measured = metered.get_metrics_data()
            assert measured is not None and "RedactionService" in measured.to_json()
            found += leaked("metrics", measured.to_json().encode())
            redis = await everything_in_redis(stack.stores.redis.url)
            assert b"hk:redaction:" in redis
            found += leaked("redis", redis)
            await asyncio.sleep(0.5)
            rows = every_row(stack.stores.postgres.admin_dsn)
            assert b"ZQ-[0-9]{8}" in rows
            found += leaked("rows", rows)
            files = every_file(base)
            assert len(files) > 1_000_000
            found += leaked("files", files)
        written = capfd.readouterr()
        found += leaked("logs", "\n".join((caplog.text, written.out, written.err)).encode())
    finally:
        shutil.rmtree(base, ignore_errors=True)
    assert found == []
