"""What a provider's answer means, and when a challenge is asked for: pure decisions."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.policy.breaker import Breaker
from services.auth.policy.challenges import (
    CODES,
    Answer,
    AskRules,
    Decided,
    Expected,
    Finding,
    OnOutage,
    Provider,
    Visitor,
    Widget,
    decide,
    is_asked,
    is_test_key,
    judge,
    unfit,
)
from services.auth.policy.visitors import Failures, address_of

NOW = 1_800_000_000.0
WIDGET = Widget(Provider.TURNSTILE, "0x4AAAAAAAsite", frozenset({"app.example.com"}), frozenset({"chat", "login"}))
CDATA = "c" * 43
DOCUMENTED = {
    Provider.TURNSTILE: {
        "missing-input-secret": Decided.UNAVAILABLE,
        "invalid-input-secret": Decided.UNAVAILABLE,
        "missing-input-response": Decided.SOLVE_AGAIN,
        "invalid-input-response": Decided.REFUSED,
        "invalid-widget-id": Decided.UNAVAILABLE,
        "invalid-parsed-secret": Decided.UNAVAILABLE,
        "bad-request": Decided.UNAVAILABLE,
        "timeout-or-duplicate": Decided.SOLVE_AGAIN,
        "internal-error": Decided.UNAVAILABLE,
    },
    Provider.HCAPTCHA: {
        "missing-input-secret": Decided.UNAVAILABLE,
        "invalid-input-secret": Decided.UNAVAILABLE,
        "missing-input-response": Decided.SOLVE_AGAIN,
        "invalid-input-response": Decided.REFUSED,
        "expired-input-response": Decided.SOLVE_AGAIN,
        "already-seen-response": Decided.SOLVE_AGAIN,
        "invalid-or-already-seen-response": Decided.SOLVE_AGAIN,
        "bad-request": Decided.UNAVAILABLE,
        "missing-remoteip": Decided.UNAVAILABLE,
        "invalid-remoteip": Decided.UNAVAILABLE,
        "invalid-sitekey": Decided.UNAVAILABLE,
        "not-using-dummy-passcode": Decided.UNAVAILABLE,
        "not-using-dummy-secret": Decided.UNAVAILABLE,
        "sitekey-secret-mismatch": Decided.UNAVAILABLE,
        "internal-error": Decided.UNAVAILABLE,
    },
}
CASES = [(provider, code, told) for provider, codes in DOCUMENTED.items() for code, told in codes.items()]


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def good(**changed: object) -> Answer:
    fields = {"success": True, "hostname": "app.example.com", "action": "chat", "cdata": CDATA, "solved_at": stamp(NOW)}
    return Answer(**(fields | changed))  # type: ignore[arg-type]


EXPECTED = Expected(WIDGET, "chat", frozenset({CDATA}))


def test_what_was_solved_here_now_and_for_this() -> None:
    assert judge(good(), EXPECTED, NOW) is Finding.SOLVED
    assert decide(Finding.SOLVED, OnOutage.DENY) is Decided.SOLVED


@pytest.mark.parametrize(("provider", "code", "told"), CASES)
def test_every_documented_code(provider: Provider, code: str, told: Decided) -> None:
    widget = Widget(provider, "site-key-1")
    for success in (False, True):  # a code speaks, whatever stands beside it
        finding = judge(good(success=success, codes=(code,)), Expected(widget), NOW)
        assert decide(finding, OnOutage.DENY) is told
    assert set(CODES[provider]) == set(DOCUMENTED[provider])


@pytest.mark.parametrize("codes", [(), ("",), ("something-new",), ("internal-error", "bad-request")])
def test_a_refusal_that_says_something_else_is_no_allow(codes: tuple[str, ...]) -> None:
    assert judge(Answer(False, codes), EXPECTED, NOW) in {Finding.FORGED, Finding.MISCONFIGURED}


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"hostname": "evil.example.com"}, Finding.WRONG_HOSTNAME),
        ({"hostname": "app.example.com.evil.net"}, Finding.WRONG_HOSTNAME),
        ({"hostname": ""}, Finding.WRONG_HOSTNAME),
        ({"action": "login"}, Finding.WRONG_ACTION),
        ({"action": ""}, Finding.WRONG_ACTION),
        ({"cdata": "d" * 43}, Finding.WRONG_BINDING),
        ({"cdata": ""}, Finding.WRONG_BINDING),
        ({"solved_at": stamp(NOW - 301)}, Finding.OUT_OF_TIME),
        ({"solved_at": stamp(NOW + 31)}, Finding.OUT_OF_TIME),
        ({"solved_at": ""}, Finding.OUT_OF_TIME),
        ({"solved_at": "yesterday"}, Finding.OUT_OF_TIME),
        ({"solved_at": "2027-01-15T08:00:00"}, Finding.OUT_OF_TIME),
        ({"success": False}, Finding.FORGED),
    ],
)
def test_solved_elsewhere_or_another_time_or_for_something_else(changed: dict[str, object], finding: Finding) -> None:
    assert judge(good(**changed), EXPECTED, NOW) is finding
    assert decide(finding, OnOutage.STEP_UP) is Decided.REFUSED


def test_an_action_that_is_not_said_must_still_be_one_of_the_brands() -> None:
    assert judge(good(action="login"), Expected(WIDGET), NOW) is Finding.SOLVED
    assert judge(good(action="pay"), Expected(WIDGET), NOW) is Finding.WRONG_ACTION


def test_only_solved_lets_anybody_on() -> None:
    for finding, policy in itertools.product(Finding, OnOutage):
        assert (decide(finding, policy) is Decided.SOLVED) == (finding is Finding.SOLVED)
    assert {policy.value for policy in OnOutage} == {"deny", "step_up"}


@pytest.mark.parametrize("finding", [Finding.OUTAGE, Finding.MISCONFIGURED])
def test_an_outage_is_refused_or_stepped_up(finding: Finding) -> None:
    assert decide(finding, OnOutage.DENY) is Decided.UNAVAILABLE
    assert decide(finding, OnOutage.STEP_UP) is Decided.STEP_UP


TEST_KEYS = [
    "1x00000000000000000000AA",
    "2x00000000000000000000AB",
    "1x00000000000000000000BB",
    "3x00000000000000000000FF",
    "1x0000000000000000000000000000000AA",
    "2x0000000000000000000000000000000AA",
    "3x0000000000000000000000000000000AA",
    "10000000-ffff-ffff-ffff-000000000001",
    "20000000-FFFF-FFFF-FFFF-000000000002",
    "0x0000000000000000000000000000000000000000",
]


@pytest.mark.parametrize("key", TEST_KEYS)
def test_test_keys_are_refused_in_production_alone(key: str) -> None:
    assert is_test_key(key)
    assert unfit(WIDGET, key, production=True).startswith("secret: ")
    assert unfit(Widget(Provider.HCAPTCHA, key, WIDGET.hostnames), "s3cret-value", production=True).startswith(
        "site_key"
    )
    assert not unfit(WIDGET, key, production=False)


def test_production_needs_hostnames_and_live_keys() -> None:
    assert not unfit(WIDGET, "0x4AAAAAAAsecret", production=True)
    bare = Widget(Provider.TURNSTILE, "0x4AAAAAAAsite")
    assert unfit(bare, "0x4AAAAAAAsecret", production=True).startswith("hostnames: ")
    test = Widget(Provider.TURNSTILE, "0x4AAAAAAAsite", WIDGET.hostnames, environment="test")
    assert unfit(test, "0x4AAAAAAAsecret", production=True).startswith("environment: ")
    assert unfit(Widget(Provider.HCAPTCHA, "site-key-1", actions=frozenset({"a"})), "s", production=False)


RULES = AskRules(failures=20, anonymous_risk=50)


@given(st.booleans(), st.integers(0, 10**6), st.integers(0, 100))
def test_a_proven_user_is_never_asked(over: bool, failures: int, risk: int) -> None:
    assert not is_asked(RULES, Visitor(True, over, failures, risk))


@given(st.integers(0, 40), st.integers(0, 100), st.booleans())
def test_who_is_asked(failures: int, risk: int, over: bool) -> None:
    visitor = Visitor(over_limit=over, failures=failures, risk=risk)
    assert is_asked(RULES, visitor) == (over or failures >= 20 or risk >= 50)


def test_failures_of_one_address_end_with_their_window() -> None:
    seen = Failures(600)
    assert [seen.note("192.0.2.1", NOW + n) for n in range(3)] == [1, 2, 3]
    assert seen.count("192.0.2.2", NOW) == 0
    assert seen.note("::ffff:192.0.2.1", NOW + 3) == 4
    assert seen.count("192.0.2.1", NOW + 600) == 0
    assert address_of("2001:db8::1") == address_of("2001:db8::ffff") != address_of("2001:db8:0:1::1")


def test_failures_of_very_many_addresses_stay_bounded() -> None:
    seen = Failures(600)
    for number in range(10_000):
        seen.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
    assert seen.count("10.0.0.0", NOW) == 0
    assert seen.count("10.0.39.15", NOW) == 1


def test_the_breaker_opens_probes_once_and_closes() -> None:
    breaker = Breaker(3, 10)
    for _ in range(3):
        assert breaker.enter(NOW)
        breaker.failed(NOW)
    assert not breaker.enter(NOW + 9.9)
    assert breaker.enter(NOW + 10)
    assert not breaker.enter(NOW + 10)  # one probe at a time
    breaker.failed(NOW + 11)
    assert not breaker.permits(NOW + 20)
    assert breaker.enter(NOW + 21)
    breaker.abandoned()  # says nothing: the next one may probe
    assert breaker.enter(NOW + 21)
    breaker.succeeded()
    assert breaker.enter(NOW + 21)


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(2, 10)
    for _ in range(5):
        breaker.enter(NOW)
        breaker.failed(NOW)
        breaker.enter(NOW)
        breaker.succeeded()
    assert breaker.permits(NOW)
