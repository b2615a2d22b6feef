"""Somebody of one organisation names a conversation of another: its placeholders do not cross."""

from __future__ import annotations

from embedded.stack import Stack
from tests.support.backend import Backend, allowed, fresh

SSN = "457-55-5462"


async def test_the_values_of_the_other_organisation_stay_there(target: Stack, backend: Backend) -> None:
    talk = fresh("shared-name")
    mine = await backend.admit(await backend.member(), f"My SSN is {SSN}", conversation=talk)
    assert mine.messages[0].text == "My SSN is <US_SSN>"

    other = await backend.member(organisation=target.other)
    theirs = await backend.admitted(other, "Hello", conversation=talk)
    answer = await backend.complete(theirs, "Your SSN is <US_SSN>, is it not?")
    shown, _ = await backend.stream(await backend.admitted(other, "Hello", conversation=talk), ["It is <US", "_SSN>."])
    assert SSN not in answer.text + shown
    assert answer.restored == 0

    own = await backend.complete(mine.admission, "Your SSN is <US_SSN>, is it not?")
    assert allowed(own)
    assert own.text == f"Your SSN is {SSN}, is it not?"
