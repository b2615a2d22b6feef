"""A search that cannot finish is a refusal, never a clean text."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

import pytest

from services.kit.errors import Exhausted, Unavailable
from services.redaction.adapters.pool import ScanPool
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.policy.model import DetectionFailed, Finding, Rules
from services.redaction.ports import Detector, Named
from tests.unit.redaction.book import shipped

RULES = Rules(frozenset({"IBAN_CODE"}))


class Failing:
    findable = frozenset({"IBAN_CODE"})

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        raise DetectionFailed


class Waiting:
    findable = frozenset({"IBAN_CODE"})

    def __init__(self) -> None:
        self.go = threading.Event()

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        self.go.wait(5)
        return ()


def pool(detector: Detector, waiting: int = 0) -> ScanPool:
    return ScanPool(shipped().knows, [detector], offload_characters=10, workers=1, waiting=waiting)


@pytest.mark.parametrize("text", ["short", "long " * 10])
async def test_a_detector_that_fails_refuses(text: str) -> None:
    searching = pool(Failing())
    with pytest.raises(Unavailable):
        await searching.scan([text], RULES)
    searching.close()


async def test_too_many_long_texts_are_refused_and_places_come_back() -> None:
    detector = Waiting()
    searching = pool(detector)
    first = asyncio.create_task(searching.scan(["long " * 10], RULES))
    await asyncio.sleep(0)
    with pytest.raises(Exhausted):
        await searching.scan(["long " * 10], RULES)
    first.cancel()
    detector.go.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(0.05)
    assert len(await searching.scan(["long " * 10], RULES)) == 1
    searching.close()


def test_a_recognizer_out_of_time_refuses() -> None:
    with pytest.raises(DetectionFailed):
        PresidioDetector(timeout_seconds=0.0).find("10.0.0.1", frozenset({"IP_ADDRESS"}))


def test_presidio_says_nothing_about_texts_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("presidio-analyzer").error("Failed to validate text %s", "secret")
    assert "secret" not in caplog.text


class Late:
    findable = frozenset({"IBAN_CODE"})

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        time.sleep(0.4)
        return ()


class Dying:
    findable = frozenset({"IBAN_CODE"})

    def find(self, text: str, wanted: frozenset[str]) -> Sequence[Finding]:
        raise RecursionError("of 219-09-9999")


class Forgetful:
    """Answers for one text fewer than it was asked about."""

    findable = frozenset({"PERSON"})

    async def names(self, texts: Sequence[str], wanted: frozenset[str], rules: Rules) -> Named:
        return Named([()] * (len(texts) - 1))


async def test_late_is_not_searched() -> None:
    searching = ScanPool(shipped().knows, [Late()], offload_characters=10, workers=1, waiting=0, seconds=0.1)
    with pytest.raises(Unavailable):
        await searching.scan(["long " * 10], RULES)
    searching.close()


@pytest.mark.parametrize("text", ["short", "long " * 10])
async def test_whatever_a_recognizer_dies_of_the_text_counts_as_not_searched(text: str) -> None:
    searching = pool(Dying())
    with pytest.raises(Unavailable) as refused:
        await searching.scan(["first", text], RULES)
    assert "219" not in str(refused.value)
    searching.close()


async def test_a_text_that_nobody_answered_for_is_not_searched() -> None:
    searching = ScanPool(shipped().knows, [], offload_characters=10, workers=1, waiting=0, namer=Forgetful())
    with pytest.raises(Unavailable):
        await searching.scan(["one", "two"], Rules(frozenset({"PERSON"})))
    searching.close()
