"""Another backend got hold of a live admission: it is bound to the workload that asked."""

from __future__ import annotations

from tests.attacks.toolbox import READ, READ_BRAND, arguments
from tests.support.backend import Backend, allowed, fresh, said

REFUSED = "DENY ADMISSION_NOT_ACCEPTED"
SSN = "457-55-5462"


async def test_it_is_worth_nothing_there(backend: Backend, thief: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    user = await backend.member(fresh("victim"))
    admission = await backend.admitted(user, f"My SSN is {SSN}")

    stolen = await thief.complete(admission, "It is <US_SSN>.")
    assert said(stolen) == REFUSED
    assert not stolen.text
    shown, result = await thief.stream(admission, ["It is <US_SSN>."])
    assert (shown, said(result)) == ("", REFUSED)
    assert said(await thief.call_tool(admission, tool, arguments(brand=thief.stack.brand))) == REFUSED

    answer = await backend.complete(admission, "It is <US_SSN>.")
    assert allowed(answer), "and its owner is not hurt by the attempt"
    assert answer.text == f"It is {SSN}."


async def test_a_guessed_one_is_the_same_answer(backend: Backend, thief: Backend) -> None:
    admission = await backend.admitted(await backend.member(fresh("victim")))
    guessed = "adm_" + "A" * 43
    stolen, unknown = await thief.complete(admission, "x"), await thief.complete(guessed, "x")
    assert said(stolen) == said(unknown) == REFUSED
    assert stolen.safe_reply == unknown.safe_reply
    assert stolen.txn == unknown.txn == ""
