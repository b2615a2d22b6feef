"""Processes that look for names: late, killed, hung, broken. Never a text that only seems searched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import pytest_asyncio

from services.kit.errors import Unavailable
from services.kit.settings import SettingsError
from services.redaction.adapters.pool import ScanPool
from services.redaction.bootstrap import make_namer
from services.redaction.ner.pool import NamePool, NamesUnavailable
from services.redaction.ner.process import Worker
from services.redaction.policy.model import DetectionFailed, Rules, WhenLate
from services.redaction.settings import RedactionSettings
from tests.unit.redaction.book import shipped

PERSON = frozenset({"PERSON"})
CLOSED = Rules(PERSON)
OPEN = Rules(PERSON, names_late=WhenLate.PATTERNS_ONLY)
TEXT = "My name is Anna Petrova."
# A worker that answers "ready", and then does what the text says.
ODD = """
import json, socket, sys, time
from services.redaction.ner.frames import framed, read_frame
line = socket.socket(fileno=0)
line.sendall(framed(b"ready"))
while (frame := read_frame(line)) is not None:
    text = json.loads(frame)["texts"][0]
    if text == "hang":
        time.sleep(60)
    if text == "die":
        sys.exit(3)
    said = {"none": {"names": []}, "far": {"names": [[["PERSON", 0, 99, 1.0]]]}, "fail": {"failed": True}}
    line.sendall(framed(b"?" if text == "noise" else json.dumps(said.get(text, {"names": [[]]})).encode()))
"""


def made(*command: str, workers: int = 1, waiting: int = 64, seconds: float = 10.0) -> NamePool:
    return NamePool(lambda: Worker("own", command), PERSON, workers=workers, waiting=waiting, seconds=seconds)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def own() -> AsyncIterator[NamePool]:
    pool = made(workers=2)
    await pool.start()
    yield pool
    pool.close()


@pytest_asyncio.fixture(loop_scope="session")
async def odd() -> AsyncIterator[NamePool]:
    pool = made("-c", ODD, seconds=0.5)
    await pool.start()
    yield pool
    pool.close()


async def found(pool: NamePool, rules: Rules, *texts: str) -> list[Sequence[str]]:
    named = await pool.names(texts, PERSON, rules)
    assert not named.degraded
    return [[text[f.start : f.end] for f in row] for text, row in zip(texts, named.spans, strict=True)]


async def refused(pool: NamePool, *texts: str) -> None:
    with pytest.raises(DetectionFailed):
        await pool.names(texts, PERSON, CLOSED)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError


async def test_many_at_once_get_their_own_answers(own: NamePool) -> None:
    texts = [f"My name is Anna Petrova and I need {n} chairs." for n in range(20)] + ["no names here"]
    answers = await asyncio.gather(*(found(own, CLOSED, text, TEXT) for text in texts))
    assert answers == [[["Anna Petrova"], ["Anna Petrova"]]] * 20 + [[[], ["Anna Petrova"]]]


async def test_a_killed_worker_is_replaced_and_nobody_notices(own: NamePool) -> None:
    before = {worker.process.pid for worker in own._workers}
    for worker in list(own._workers)[:1]:
        worker.process.kill()
    for _ in range(3):
        assert await found(own, CLOSED, TEXT) == [["Anna Petrova"]]
    await until(lambda: own._idle.qsize() == 2)
    assert {worker.process.pid for worker in own._workers} != before


@pytest.mark.parametrize("text", ["die", "none", "far", "fail", "noise"])
async def test_what_is_no_answer_refuses_or_says_degraded(odd: NamePool, text: str) -> None:
    await refused(odd, text)
    named = await odd.names([text, TEXT], PERSON, OPEN)
    assert (named.degraded, named.spans) == (True, [(), ()])


async def test_late_refuses_or_says_degraded_and_a_hung_worker_is_replaced(odd: NamePool) -> None:
    (first,) = odd._workers
    started = time.monotonic()
    await refused(odd, "hang")
    # Its only worker still hangs, so who comes now is late too.
    assert (await odd.names([TEXT], PERSON, OPEN)).degraded
    assert time.monotonic() - started < 5
    await until(lambda: not odd._idle.empty())
    assert first.process.returncode is not None
    assert await found(odd, CLOSED, TEXT) == [[]]


async def test_more_than_may_wait_are_late_at_once() -> None:
    pool = made("-c", ODD, waiting=0, seconds=5.0)
    await pool.start()
    first = asyncio.create_task(pool.names(["hang"], PERSON, CLOSED))
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await refused(pool, TEXT)
    assert time.monotonic() - started < 1
    first.cancel()
    pool.close()
    await refused(pool, TEXT)


async def test_a_caller_who_leaves_does_not_get_the_answer_to_the_next(own: NamePool) -> None:
    for _ in range(5):
        gone = asyncio.create_task(own.names([TEXT * 50], PERSON, CLOSED))
        await asyncio.sleep(0.001)
        gone.cancel()
        assert await found(own, CLOSED, "no names here") == [[]]


async def test_the_scan_takes_names_and_refuses_without_them(odd: NamePool, own: NamePool) -> None:
    for namer, text in ((own, TEXT), (own, TEXT * 10)):
        scans = ScanPool(shipped().knows, [], offload_characters=100, workers=1, waiting=0, namer=namer)
        (scan,) = await scans.scan([text], CLOSED)
        assert {f.entity for f in scan.findings} == {"PERSON"}
        scans.close()
    scans = ScanPool(shipped().knows, [], offload_characters=100, workers=1, waiting=0, namer=odd)
    with pytest.raises(Unavailable):
        await scans.scan(["die"], CLOSED)
    (scan,) = await scans.scan(["die"], OPEN)
    assert scan.degraded
    assert not (await scans.scan(["die"], Rules(frozenset({"US_SSN"}))))[0].degraded
    scans.close()


async def test_a_model_that_does_not_load_is_an_error_at_the_start() -> None:
    pool = made("-c", "raise SystemExit(1)")
    with pytest.raises(NamesUnavailable):
        await pool.start()
    pool.close()


def test_a_model_of_spacy_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingsError, match="no_such_model"):
        make_namer(RedactionSettings.load({"HAUBERK_REDACTION_NAMES_MODEL": "no_such_model"}))
    assert make_namer(RedactionSettings.load({"HAUBERK_REDACTION_NAMES_MODEL": "none"})) is None


def test_a_worker_has_none_of_the_settings_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAUBERK_REDIS_URL", "redis://:secret@example.invalid")
    check = "import os, sys; sys.exit(any('HAUBERK' in name for name in os.environ))"
    worker = Worker("own", ["-c", check])
    assert worker.process.wait(20) == 0
    worker.end()
