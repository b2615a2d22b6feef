"""A farm solves challenges for one address over its limit: each buys one request, and a minute has an end of them."""

from __future__ import annotations

from hauberk.common.v1 import decision_pb2 as common

from tests.support.backend import allowed, by_key, said
from tests.support.guarded import SOLVES, Guarded


async def test_each_buys_one_request_until_the_bound(guarded: Guarded) -> None:
    address, own = await guarded.tired(), guarded.backend.stack.main
    without = "CHALLENGE ADDRESS_OVER_LIMIT by address"
    for _ in range(SOLVES):
        assert said(await guarded.backend.admit(by_key(own.api_key), client_address=address)) == without
        answer = await guarded.admit(address, guarded.provider.solve())
        assert allowed(answer), said(answer)
    asked = len(guarded.provider.asked)
    for _ in range(5):
        answer = await guarded.admit(address, guarded.provider.solve())
        assert said(answer) == "THROTTLE RATE_LIMITED by auth"
    assert len(guarded.provider.asked) == asked


async def test_nobody_is_let_on_while_the_provider_is_away(guarded: Guarded) -> None:
    guarded.provider.always = ["bad-request"]
    try:
        answer = await guarded.admit(await guarded.tired(), guarded.provider.solve())
    finally:
        guarded.provider.always = None
    assert said(answer) == "DENY CHALLENGE_UNAVAILABLE by auth"
    assert answer.safe_reply.text
    assert common.Outcome.Name(answer.verdicts[0].outcome) == "OUTCOME_ALLOW"


async def test_without_saying_whose_widget_it_was(guarded: Guarded) -> None:
    own = guarded.backend.stack.main
    answer = await guarded.backend.admit(
        by_key(own.api_key),
        client_address=await guarded.tired(),
        challenge={"provider": "turnstile", "token": guarded.provider.solve()},
    )
    assert said(answer) == "CHALLENGE CHALLENGE_REQUIRED by auth"


async def test_a_user_below_every_limit_is_never_sent_to_the_provider(guarded: Guarded) -> None:
    asked = len(guarded.provider.asked)
    answer = await guarded.admit(guarded.address(), guarded.provider.solve())
    assert allowed(answer), said(answer)
    assert len(guarded.provider.asked) == asked
