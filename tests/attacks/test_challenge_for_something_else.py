"""A challenge that was solved for another action, another visit, or on another page is brought with a request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.backend import allowed, said
from tests.support.guarded import Guarded

REFUSED = "DENY CHALLENGE_NOT_ACCEPTED by auth"


@pytest.mark.parametrize(
    ("solved", "expected"),
    [
        ({"action": "login"}, {"action": "chat"}),
        ({"action": "newsletter"}, {}),
        ({"hostname": "mirror.example"}, {}),
        ({"hostname": "app.example.com.mirror.example"}, {}),
    ],
)
async def test_for_another_action_or_on_another_page(
    guarded: Guarded, solved: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = await guarded.admit(await guarded.tired(), guarded.provider.solve(**solved), **expected)
    assert said(answer) == REFUSED


async def test_for_another_visit(guarded: Guarded) -> None:
    own = guarded.backend.stack.main
    shown = (await guarded.widget(own, "visit-of-mallory")).cdata
    stolen = guarded.provider.solve(cdata=shown)
    assert said(await guarded.admit(await guarded.tired(), stolen, binding="visit-of-ada")) == REFUSED
    hers = guarded.provider.solve(cdata=(await guarded.widget(own, "visit-of-ada")).cdata)
    answer = await guarded.admit(await guarded.tired(), hers, binding="visit-of-ada")
    assert allowed(answer), said(answer)


async def test_made_up(guarded: Guarded) -> None:
    assert said(await guarded.admit(await guarded.tired(), "XXXX.DUMMY.TOKEN.XXXX")) == REFUSED
