"""Fifty requests at once against a budget for ten: exactly what fits is let in."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from tests.support.backend import Backend, allowed, fresh, said

pytestmark = pytest.mark.alone

# 50 000 tokens a day for a user of a brand. No other test asks for this model: how long its answers are is not learned,
# so all that is asked for is reserved.
DEAR = pb.Estimate(model="claude-haiku", input_tokens=1000, output_tokens=4000)


async def test_exactly_ten_get_in(backend: Backend) -> None:
    user = await backend.member(fresh("racer"))
    answers = await asyncio.gather(*(backend.admit(user, "Hi", estimate=DEAR) for _ in range(50)))
    assert sum(map(allowed, answers)) == 10
    refused = Counter(said(answer) for answer in answers if not allowed(answer))
    assert set(refused) <= {"THROTTLE BUDGET_EXHAUSTED by ratelimit", "THROTTLE RATE_LIMITED by ratelimit"}
    assert all(not answer.admission for answer in answers if not allowed(answer))


async def test_what_is_given_back_fits_again_and_no_more(backend: Backend) -> None:
    user = await backend.member(fresh("racer"))
    first = await asyncio.gather(*(backend.admit(user, "Hi", estimate=DEAR) for _ in range(12)))
    (one, *_) = [answer for answer in first if allowed(answer)]
    assert sum(map(allowed, first)) == 10
    await backend.complete(one.admission, "Hi", input_tokens=1, output_tokens=1)
    again = await asyncio.gather(*(backend.admit(user, "Hi", estimate=DEAR) for _ in range(3)))
    assert sum(map(allowed, again)) == 0, "4 998 tokens were given back: not enough for 5 000"
    small = pb.Estimate(model="self-hosted", input_tokens=500, output_tokens=3000)
    assert allowed(await backend.admit(user, "Hi", estimate=small))
