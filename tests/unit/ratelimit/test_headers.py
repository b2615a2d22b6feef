"""The fields of draft-ietf-httpapi-ratelimit-headers-10, read by a parser that knows nothing of what wrote them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ratelimit.policy import (
    Algorithm,
    Calendar,
    Decision,
    Limit,
    OnExceed,
    OnExpiry,
    OnStoreError,
    Outcome,
    Reason,
    Standing,
    Subject,
    Unit,
)
from services.ratelimit.policy.headers import header_fields
from tests.support.structured import Malformed, read_list, written

MINUTE = 60_000_000


def limit(name: str, amount: int = 100, window: int = 60, unit: Unit = Unit.REQUESTS, **more: object) -> Limit:
    fixed = {"calendar": None, "algorithm": Algorithm.SLIDING, "observe": False} | more
    return Limit(
        id=name,
        subject=Subject.USER_BRAND,
        unit=unit,
        limit=amount,
        capacity=amount,
        window_seconds=window,
        on_exceed=OnExceed.THROTTLE,
        on_store_error=OnStoreError.CLOSED,
        on_expiry=OnExpiry.CHARGE,
        **fixed,  # type: ignore[arg-type]
    )


def standing(of: Limit, remaining: int, reset_us: int, **more: bool) -> Standing:
    return Standing(of, more.pop("fits", True), more.pop("never", False), remaining, 0, reset_us, **more)


def fields(*standings: Standing, wait_us: int | None = None, outcome: Outcome = Outcome.ALLOW) -> dict[str, str]:
    return dict(header_fields(Decision(outcome, Reason.NONE, standings, wait_us)))


# What the draft shows, item by item: the names of its parameters, and the types that it demands of them.
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"burst";q=100;w=60,"daily";q=1000;w=86400', {"q", "w"}),
        ('"default";q=100;w=10', {"q", "w"}),
        ('"peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:', {"q", "qu", "w", "pk"}),
        ('"default";r=50;t=30', {"r", "t"}),
        ('"default";r=999;pk=:dHJpYWwxMjEzMjM=:', {"r", "pk"}),
    ],
)
def test_the_parser_reads_the_shapes_of_the_draft(text: str, names: set[str]) -> None:
    members = read_list(text)
    assert {name for member in members for name in member.parameters} == names
    assert all(isinstance(member.value, str) for member in members)


@pytest.mark.parametrize(
    "text", ['"a";q=1,', '"a', "a b", '"a";Q=1', '"a";q=1.5', '"a";q=', '"ä";q=1', "0123456789012345"]
)
def test_the_parser_is_strict(text: str) -> None:
    with pytest.raises(Malformed):
        read_list(text)


def test_every_limit_with_its_quota_window_and_what_is_left() -> None:
    found = fields(
        standing(limit("user.minute", 15), 3, 20_500_000),
        standing(limit("tokens.day", 50_000, 0, Unit.TOKENS, calendar=Calendar.DAY), 120, MINUTE),
        standing(limit("money.month", 5_000_000, 0, Unit.MICRO_USD, calendar=Calendar.MONTH), 4, MINUTE),
        standing(limit("flight", 8, 0, Unit.CONCURRENCY, algorithm=Algorithm.LIVE), 8, 0),
    )
    policy, left = read_list(found["RateLimit-Policy"]), read_list(found["RateLimit"])
    assert [(item.value, item.parameters) for item in policy] == [
        ("user.minute", {"q": 15, "w": 60}),
        ("tokens.day", {"q": 50_000, "qu": "tokens", "w": 86_400}),
        ("money.month", {"q": 5_000_000, "qu": "micro-usd"}),
        ("flight", {"q": 8, "qu": "concurrent-requests"}),
    ]
    assert [(item.value, item.parameters) for item in left] == [
        ("user.minute", {"r": 3, "t": 21}),
        ("tokens.day", {"r": 120, "t": 60}),
        ("money.month", {"r": 4, "t": 60}),
        ("flight", {"r": 8}),
    ]
    assert "Retry-After" not in found


def test_what_only_observes_or_is_not_known_is_not_promised() -> None:
    assert fields(standing(limit("seen", observe=True), 1, MINUTE)) == {}
    assert fields(standing(limit("away"), 0, 0, degraded=True)) == {}


@pytest.mark.parametrize(
    ("outcome", "wait_us", "expected"),
    [
        (Outcome.THROTTLE, 1, "1"),
        (Outcome.THROTTLE, 1_000_001, "2"),
        (Outcome.THROTTLE, 0, "1"),
        (Outcome.DENY, None, None),
        (Outcome.ALLOW, None, None),
        (Outcome.ALLOW, 5_000_000, None),
    ],
)
def test_when_to_come_back(outcome: Outcome, wait_us: int | None, expected: str | None) -> None:
    """Never too early, and nothing for what never fits."""
    found = fields(standing(limit("one"), 0, MINUTE, fits=False), wait_us=wait_us, outcome=outcome)
    assert found.get("Retry-After") == expected


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z0-9_.]{1,64}", fullmatch=True),
            st.integers(0, 10**12),
            st.integers(-5, 10**16),
            st.integers(-5, 10**13),
            st.sampled_from(list(Unit)),
        ),
        min_size=1,
        max_size=32,
    )
)
def test_whatever_stands_is_a_valid_field(rows: list[tuple[str, int, int, int, Unit]]) -> None:
    found = fields(*(standing(limit(name, q, 60, unit), r, t) for name, q, r, t, unit in rows))
    for name in ("RateLimit-Policy", "RateLimit"):
        members = read_list(found[name])
        assert written(members) == found[name]
        assert [member.value for member in members] == [row[0] for row in rows]
    for member, row in zip(read_list(found["RateLimit"]), rows, strict=True):
        assert member.parameters["r"] == min(max(row[2], 0), 999_999_999_999_999)
        assert member.parameters.get("t", 0) == max(0, math.ceil(row[3] / 1_000_000))
