"""Solved challenges end to end: real stores, every layer, and an HTTP server in the provider's place."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from services.auth.settings.edge import WidgetSettings
from tests.contract.auth import verdicts
from tests.contract.auth.edges import GATEWAY, SHOP, Street, edge, street, widget
from tests.contract.auth.verdicts import AGAIN, ALLOW, CHALLENGE, DENY, REFUSED, THROTTLE, UNAVAILABLE, told
from tests.support.siteverify import HOST, NEXT_SECRET, SECRET, SITE_KEY
from tests.support.stores import DataStores
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane(data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with street(data_stores, tmp_path_factory.mktemp("edge")) as made:
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def calm(lane: Street) -> AsyncIterator[None]:
    """Every test begins with a provider that answers and a breaker that is closed."""
    lane.provider.script.clear()
    lane.provider.always, lane.provider.secrets = None, {SECRET}

    async def closed() -> bool:
        return (await lane.verify(lane.provider.solve())).outcome == ALLOW

    assert await eventually(closed, 5.0)
    lane.provider.asked.clear()
    yield


async def test_a_solved_challenge(lane: Street) -> None:
    answer = await lane.verify(lane.provider.solve(), client_address="192.0.2.7")
    assert told(answer) == (ALLOW, common.REASON_NONE)
    assert lane.provider.asked[0]["secret"] == SECRET
    assert lane.provider.asked[0]["remoteip"] == "192.0.2.7"


@pytest.mark.parametrize("code", verdicts.CODES)
async def test_every_code_of_turnstile(lane: Street, code: str) -> None:
    lane.provider.script = [[code]]
    assert told(await lane.verify(lane.provider.solve())) == verdicts.CODES[code]
    assert len(lane.provider.asked) == 1


@pytest.mark.parametrize("code", verdicts.HCAPTCHA)
async def test_the_codes_that_hcaptcha_has_beside(lane: Street, code: str) -> None:
    await lane.put(edge(widget(provider="hcaptcha", actions=[]), brand="other"))
    lane.provider.script = [[code]]
    answer = await lane.verify(lane.provider.solve(), provider="hcaptcha", brand="other")
    assert told(answer) == verdicts.HCAPTCHA[code]
    assert "idempotency_key" not in lane.provider.asked[0]
    assert "sitekey" in lane.provider.asked[0]


async def test_hcaptcha_is_asked_once_as_asking_may_spend_the_token(lane: Street) -> None:
    await lane.put(edge(widget(provider="hcaptcha", actions=[]), brand="other"))
    assert (await lane.verify(lane.provider.solve(), provider="hcaptcha", brand="other")).outcome == ALLOW
    lane.provider.asked.clear()
    lane.provider.script = ["lost"]
    assert told(await lane.verify(lane.provider.solve(), provider="hcaptcha", brand="other")) == UNAVAILABLE
    assert len(lane.provider.asked) == 1


@pytest.mark.parametrize(
    "fault", [["internal-error"], 500, 503, 429, "drop", "lost", "html", "huge", "packed", "redirect", "slow"]
)
async def test_a_fault_is_asked_again_with_the_same_key(lane: Street, fault: Any) -> None:
    lane.provider.script = [fault]
    assert (await lane.verify(lane.provider.solve())).outcome == ALLOW
    first, second = lane.provider.asked
    assert first["idempotency_key"] == second["idempotency_key"]


@pytest.mark.parametrize(
    "said",
    [
        {"success": "true"},
        {"success": 1},
        {"success": True, "error-codes": ["bad-request"]},
        {"success": True, "error-codes": "none"},
        {"success": True},
        {"success": None},
        {},
    ],
    ids=str,
)
async def test_half_an_answer_is_no_allow(lane: Street, said: dict[str, Any]) -> None:
    lane.provider.script = [said] * 3
    assert (await lane.verify(lane.provider.solve())).outcome == DENY


@pytest.mark.parametrize(
    ("solved", "expected"),
    [
        ({"hostname": "evil.example.com"}, {}),
        ({"hostname": "app.example.com.evil.net"}, {}),
        ({"action": "pay"}, {}),
        ({"action": "login"}, {"action": "chat"}),
        ({}, {"action": "pay"}),
        ({"age": 299.0 + 2}, {}),
    ],
)
async def test_solved_elsewhere_or_for_something_else(
    lane: Street, solved: dict[str, Any], expected: dict[str, str]
) -> None:
    answer = await lane.verify(lane.provider.solve(**solved), **expected)
    assert answer.outcome in {DENY, CHALLENGE}
    assert answer.reason == common.REASON_CHALLENGE_NOT_ACCEPTED


async def test_bound_to_one_visit(lane: Street) -> None:
    shown = (await lane.resolve(binding="visit-1")).widget.cdata
    assert len(shown) == 43
    assert told(await lane.verify(lane.provider.solve(cdata=shown), binding="visit-2")) == REFUSED
    assert told(await lane.verify(lane.provider.solve(cdata=""), binding="visit-1")) == REFUSED
    assert (await lane.verify(lane.provider.solve(cdata=shown), binding="visit-1")).outcome == ALLOW


async def test_a_token_is_good_once_but_for_the_same_request(lane: Street) -> None:
    token = lane.provider.solve()
    assert (await lane.verify(token, request_id="one")).outcome == ALLOW
    assert (await lane.verify(token, request_id="one")).outcome == ALLOW
    asked = len(lane.provider.asked)
    assert told(await lane.verify(token, request_id="two")) == AGAIN
    assert told(await lane.verify(token, request_id="one", workload="backend/other")) == AGAIN
    assert told(await lane.verify(token)) == AGAIN
    assert len(lane.provider.asked) == asked  # nobody outside was asked about a token seen before


async def test_of_many_at_once_one_is_let_on(lane: Street) -> None:
    token = lane.provider.solve()
    answers = await asyncio.gather(*(lane.verify(token, request_id=f"r-{n}") for n in range(50)))
    assert [answer.outcome for answer in answers].count(ALLOW) == 1
    assert len(lane.provider.asked) == 1


@pytest.mark.parametrize("fields", [{"organisation": "nobody-here"}, {"brand": "nowhere"}, {"provider": "hcaptcha"}])
async def test_unknown_and_unfit_are_one_answer(lane: Street, fields: dict[str, str]) -> None:
    assert told(await lane.verify(lane.provider.solve(), **fields)) == REFUSED
    assert not lane.provider.asked


async def test_an_outage_denies_opens_the_breaker_and_ends(lane: Street) -> None:
    lane.provider.always = 503
    for _ in range(3):
        assert told(await lane.verify(lane.provider.solve())) == UNAVAILABLE
    asked = len(lane.provider.asked)
    assert asked == 9  # three attempts for each
    for _ in range(10):
        assert told(await lane.verify(lane.provider.solve())) == UNAVAILABLE
    assert len(lane.provider.asked) == asked  # open: nobody was sent there
    await asyncio.sleep(2.05)
    answers = await asyncio.gather(*(lane.verify(lane.provider.solve()) for _ in range(10)))
    assert {told(answer) for answer in answers} == {UNAVAILABLE}
    assert len(lane.provider.asked) == asked + 3  # one probe
    lane.provider.always = None
    await asyncio.sleep(2.05)
    assert (await lane.verify(lane.provider.solve())).outcome == ALLOW


async def test_a_brand_may_step_up_and_nothing_else(lane: Street) -> None:
    await lane.put(edge(widget(on_outage=pb.OUTAGE_POLICY_STEP_UP), brand="other"))
    lane.provider.always = ["bad-request"]
    answer = await lane.verify(lane.provider.solve(), brand="other")
    assert told(answer) == (CHALLENGE, common.REASON_CHALLENGE_UNAVAILABLE)


async def test_a_silent_provider_is_given_up_within_the_budget(lane: Street) -> None:
    lane.provider.always = "slow"
    started = time.perf_counter()
    assert told(await lane.verify(lane.provider.solve())) == UNAVAILABLE
    assert time.perf_counter() - started < 1.5


async def test_both_secrets_are_good_while_one_is_replaced(lane: Street) -> None:
    await lane.put(edge(widget(), brand="other"))
    kept = await lane.put(edge(widget(secret=NEXT_SECRET), brand="other"))
    assert 7100 < kept.edge.challenge.previous_secret_until.seconds - time.time() <= 7200
    for accepted in (SECRET, NEXT_SECRET):
        lane.provider.secrets = {accepted}
        assert (await lane.verify(lane.provider.solve(), brand="other")).outcome == ALLOW


async def test_two_secrets_share_one_budget(lane: Street) -> None:
    await lane.put(edge(widget(), brand="other"))
    await lane.put(edge(widget(secret=NEXT_SECRET), brand="other"))
    lane.provider.script = ["slow", "slow", ["invalid-input-secret"]]
    lane.provider.always = "slow"
    started = time.perf_counter()
    assert told(await lane.verify(lane.provider.solve(), brand="other")) == UNAVAILABLE
    assert time.perf_counter() - started < 1.5


async def test_a_caller_in_a_hurry_is_answered_in_time_and_opens_nothing(lane: Street) -> None:
    lane.provider.always = "slow"
    for _ in range(4):  # as many as would open the breaker
        request = pb.VerifyChallengeRequest(
            organisation=lane.organisation,
            brand="shop",
            challenge=pb.ChallengeResponse(provider="turnstile", token=lane.provider.solve()),
        )
        assert told(await lane.house.auth(SHOP).VerifyChallenge(request, timeout=0.45)) == UNAVAILABLE
    lane.provider.always = None
    assert (await lane.verify(lane.provider.solve())).outcome == ALLOW


async def test_an_address_cannot_solve_without_end(lane: Street) -> None:
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::"
    answers = [await lane.verify(lane.provider.solve(), client_address=f"{address}{n:x}") for n in range(1, 104)]
    assert [answer.outcome for answer in answers].count(ALLOW) == 100
    assert told(answers[-1]) == (THROTTLE, common.REASON_RATE_LIMITED)
    assert len(lane.provider.asked) == 100


def rctx(answer: pb.AuthenticateResponse) -> dict[str, str]:
    found: dict[str, str] = jwt.decode(answer.txn_token, options={"verify_signature": False}).get("rctx", {})
    return found


async def test_authenticate_believes_the_pass_of_this_request_alone(lane: Street) -> None:
    txn, address = secrets.token_hex(16), "192.0.2.9"
    solved = await lane.verify(lane.provider.solve(), GATEWAY, request_id=txn, client_address=address)
    proof = getattr(solved, "pass")
    good = {"txn": txn, "client_address": address, "challenge_pass": proof}
    answer = await lane.house.authenticate(lane.key, **good)
    assert answer.challenge_verified
    assert rctx(answer)["challenge"] == "turnstile"
    _, other = await lane.house.organisation()
    for key, changed in (
        (lane.key, {"txn": secrets.token_hex(16)}),
        (lane.key, {"client_address": "192.0.2.10"}),
        (lane.key, {"challenge_pass": proof[:-1] + ("A" if proof[-1] != "A" else "B")}),
        (lane.key, {"challenge_pass": proof.replace("turnstile", "hcaptcha")}),
        (lane.key, {"challenge_pass": ""}),
        (other, {}),
    ):
        bent = await lane.house.authenticate(key, **(good | changed))
        assert bent.outcome == ALLOW  # a proven user needs none
        assert not bent.challenge_verified
        assert "challenge" not in rctx(bent)
    direct = await lane.house.authenticate(lane.key, workload=SHOP, **good)
    assert not direct.challenge_verified


async def test_a_challenge_as_it_came_proves_nothing(lane: Street) -> None:
    solved = pb.ChallengeResponse(provider="turnstile", token=lane.provider.solve())
    answer = await lane.house.authenticate(lane.key, challenge=solved)
    assert not answer.challenge_verified
    assert "challenge" not in rctx(answer)


async def test_bad_credentials_of_an_address_ask_for_one_and_a_good_one_never_does(lane: Street) -> None:
    address = f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    bad = "hbk_test_" + "0" * 49
    outcomes = [(await lane.house.authenticate(bad, client_address=address)).outcome for _ in range(21)]
    assert outcomes == [DENY] * 19 + [CHALLENGE] * 2
    assert (await lane.house.authenticate(lane.key, client_address=address)).outcome == ALLOW
    assert (await lane.house.authenticate(bad, client_address="198.18.0.1")).outcome == DENY
    assert (await lane.resolve(client_address=address)).widget.required
    assert not (await lane.resolve(client_address="198.18.0.1")).widget.required
    assert (await lane.resolve(client_address="198.18.0.1", risk=50)).widget.required


async def test_the_installations_own_widget_takes_bound_tokens_alone(
    data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = WidgetSettings.model_validate({"site_key": SITE_KEY, "secret": SECRET, "hostnames": [HOST]})
    async with street(data_stores, tmp_path_factory.mktemp("edge"), challenge_widget=own) as lane:
        await lane.put(edge(brand="bare"))
        page = await lane.resolve(brand="bare", binding="visit-1")
        assert page.widget.site_key == SITE_KEY
        assert "https://challenges.cloudflare.com" in page.headers["Content-Security-Policy"]
        shown = page.widget.cdata
        assert told(await lane.verify(lane.provider.solve(cdata=shown), brand="bare")) == REFUSED
        assert told(await lane.verify(lane.provider.solve(cdata=shown), brand="none", binding="visit-1")) == REFUSED
        answer = await lane.verify(lane.provider.solve(cdata=shown), brand="bare", binding="visit-1")
        assert answer.outcome == ALLOW
