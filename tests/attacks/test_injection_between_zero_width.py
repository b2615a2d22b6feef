"""Zero-width and soft characters between the letters, so that no word is a word."""

from __future__ import annotations

import pytest

from tests.attacks.test_injection_sentence import SENTENCE
from tests.support.backend import Backend, fresh, retrieved, said


@pytest.mark.parametrize("between", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
async def test_it_is_refused(backend: Backend, between: str) -> None:
    reader = await backend.member(fresh("reader"))
    answer = await backend.admit(reader, "Sum this up", retrieved(between.join(SENTENCE)))
    assert said(answer) == "DENY INJECTION by guardrail"
