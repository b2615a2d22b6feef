"""A challenge is solved at one brand, where it is easy, and brought to another: whose, and how often, is held to."""

from __future__ import annotations

from tests.support.backend import allowed, by_key, said
from tests.support.guarded import Guarded


async def test_solved_once_brought_twice(guarded: Guarded) -> None:
    stack, token = guarded.backend.stack, guarded.provider.solve()
    first = await guarded.admit(await guarded.tired(), token)
    assert allowed(first), said(first)
    again = await guarded.admit(await guarded.tired(), token)
    elsewhere = await guarded.admit(await guarded.tired(), token, stack.other)
    for answer in (again, elsewhere):
        assert said(answer) == "CHALLENGE CHALLENGE_NOT_ACCEPTED by auth"


async def test_solved_at_ones_own_organisation_for_a_credential_of_another(guarded: Guarded) -> None:
    stack = guarded.backend.stack
    answer = await guarded.backend.admit(
        by_key(stack.main.api_key),
        client_address=await guarded.tired(),
        organisation=stack.other.organisation,
        brand=stack.main.brand,
        challenge={"provider": "turnstile", "token": guarded.provider.solve()},
    )
    assert said(answer) == "DENY CHALLENGE_NOT_ACCEPTED by auth"
    await guarded.edge(stack.other, brand=stack.main.brand)  # now they even have a brand of that name, with a widget
    answer = await guarded.backend.admit(
        by_key(stack.main.api_key),
        client_address=await guarded.tired(),
        organisation=stack.other.organisation,
        brand=stack.main.brand,
        challenge={"provider": "turnstile", "token": guarded.provider.solve()},
    )
    assert not allowed(answer)
    assert not (answer.admission or answer.messages)


async def test_bound_to_the_page_of_one_brand(guarded: Guarded) -> None:
    stack = guarded.backend.stack
    shown = (await guarded.widget(stack.other, "visit-1")).cdata
    token = guarded.provider.solve(cdata=shown)
    answer = await guarded.admit(await guarded.tired(), token, binding="visit-1")
    assert said(answer) == "DENY CHALLENGE_NOT_ACCEPTED by auth"
