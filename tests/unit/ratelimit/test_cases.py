"""What a caller gets by who it is: messages per hour, subjects, grants; and what a policy may not say about it."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ratelimit.policy import Compiler, Identity, Limit, Override, PolicyError, Subject, parse_policy
from tests.unit.ratelimit.test_document import DOCUMENT, WEDNESDAY_NOON, changed

HOUR = "user_brand.messages.hour"
DAY = 86_400
NEW = Identity("acme", "pro", "", "ada", "shop", zone="Europe/Berlin", account_created=WEDNESDAY_NOON - 89 * DAY)
OLD = replace(NEW, account_created=WEDNESDAY_NOON - 400 * DAY)


def when(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def found(identity: Identity, now: float, document: Any = None, overrides: tuple[Override, ...] = ()) -> Limit:
    groups = Compiler(parse_policy(document or DOCUMENT)).tenant(identity, now, overrides)
    return next(limit for group in groups for limit in group.limits if limit.id == HOUR)


@pytest.mark.parametrize(
    ("local", "amount"),
    [
        ("2026-03-04T08:59:59", 100),
        ("2026-03-04T09:00:00", 200),
        ("2026-03-04T17:59:59", 200),
        ("2026-03-04T18:00:00", 100),
        ("2026-03-06T12:00:00", 200),
        ("2026-03-07T12:00:00", 100),  # Saturday
        ("2026-03-08T12:00:00", 100),
        ("2026-03-30T09:00:00", 200),  # the first Monday of summer time
        ("2026-03-30T08:59:59", 100),
    ],
)
def test_business_hours_are_those_of_the_zone(local: str, amount: int) -> None:
    limit = found(replace(NEW, account_created=0), when(local))
    assert (limit.limit, limit.capacity, limit.trusted) == (amount, amount, 0)


def test_the_same_instant_is_day_here_and_night_there() -> None:
    now = when("2026-03-04T12:00:00")
    assert [found(replace(NEW, zone=zone), now).limit for zone in ("Europe/Berlin", "Asia/Tokyo", "")] == [
        200,
        100,
        200,
    ]


def test_enterprise_has_a_thousand_at_any_hour_whatever_its_score() -> None:
    for now in (when("2026-03-08T03:00:00"), WEDNESDAY_NOON):
        limit = found(replace(OLD, plan="enterprise"), now)
        assert (limit.limit, limit.trusted) == (1000, 0)


@pytest.mark.parametrize(("now", "otherwise"), [(WEDNESDAY_NOON, 200), (WEDNESDAY_NOON + 12 * 3600, 100)])
def test_an_old_account_is_trusted_while_its_score_is_low(now: int, otherwise: int) -> None:
    limit = found(OLD, now)
    assert (limit.limit, limit.trusted, limit.trusted_below) == (otherwise, 500, 100_000)


@pytest.mark.parametrize("days", [0, 1, 89, 90])
def test_ninety_days_are_needed_and_an_unknown_age_is_none(days: int) -> None:
    born = replace(NEW, account_created=WEDNESDAY_NOON - days * DAY)
    assert found(born, WEDNESDAY_NOON).trusted == (500 if days == 90 else 0)
    assert found(replace(NEW, account_created=0), WEDNESDAY_NOON).trusted == 0
    assert found(replace(NEW, account_created=-5), WEDNESDAY_NOON).trusted == 0


def test_without_cases_the_flat_number_holds_for_everybody_at_any_hour() -> None:
    document = copy.deepcopy(DOCUMENT)
    for rule in document["limits"]:
        rule.pop("cases", None)
    for identity in (NEW, OLD, replace(OLD, plan="enterprise")):
        limit = found(identity, when("2026-03-08T03:00:00"), document)
        assert (limit.limit, limit.trusted) == (200, 0)


def test_a_grant_holds_in_place_of_every_case_and_burst() -> None:
    granted = (Override(HOUR, 7, 2**40),)
    for identity in (NEW, OLD, replace(OLD, plan="enterprise")):
        limit = found(identity, WEDNESDAY_NOON, overrides=granted)
        assert (limit.limit, limit.capacity, limit.trusted) == (7, 7, 0)


@pytest.mark.parametrize(
    "useless",
    [
        Override("no.such.limit", 7, 2**40),
        Override("address.requests.minute", 7, 2**40),
        Override(HOUR, 0, 2**40),
        Override(HOUR, -1, 2**40),
        Override(HOUR, 2**51, 2**40),
    ],
)
def test_a_grant_that_cannot_be_counted_changes_nothing(useless: Override) -> None:
    compiler = Compiler(parse_policy(DOCUMENT))
    plain = [group.limits for group in compiler.tenant(NEW, WEDNESDAY_NOON)]
    assert [group.limits for group in compiler.tenant(NEW, WEDNESDAY_NOON, (useless,))] == plain


def with_limits(*more: dict[str, Any]) -> Any:
    document = copy.deepcopy(DOCUMENT)
    document["limits"] += more
    return document


BRAND = {"id": "brand.tokens.day", "subject": "brand", "unit": "tokens", "window": "day", "algorithm": "calendar",
         "limit": 5, "zone": "brand", "exact": True}  # fmt: skip
TOOL = {"id": "tool.requests.minute", "subject": "tool", "unit": "requests", "window": 60, "algorithm": "sliding",
        "limit": 5, "names": ["mail.send"]}  # fmt: skip
MODEL = {"id": "model.flight", "subject": "model", "unit": "concurrency", "window": "live", "algorithm": "live",
         "limit": 5}  # fmt: skip


def test_a_brand_a_tool_and_a_model_are_counted_when_the_request_has_one() -> None:
    compiler = Compiler(parse_policy(with_limits(BRAND, TOOL, MODEL)))

    def subjects(**facts: Any) -> list[Subject]:
        return [group.subject for group in compiler.tenant(replace(NEW, **facts), WEDNESDAY_NOON)]

    usual = [Subject.USER_BRAND, Subject.BRAND, Subject.ORGANISATION]
    assert subjects() == usual
    assert subjects(brand="") == [Subject.USER_BRAND, Subject.ORGANISATION]
    assert subjects(tool="mail.send") == [*usual, Subject.TOOL]
    assert subjects(tool="mail.read") == usual
    assert subjects(model="gpt-4o", tool="mail.send") == [*usual, Subject.TOOL, Subject.MODEL]


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (BRAND, {"subject": "organisation"}),  # its brands may lie in several zones
        (BRAND, {"window": 60, "algorithm": "sliding"}),
        (BRAND, {"hold_permille": 500}),
        (BRAND, {"hold_permille": 0}),
        (BRAND, {"unit": "requests"}),
        (BRAND, {"names": ["gpt-4o"]}),
        (BRAND, {"window": "live"}),
        (BRAND, {"window": "fortnight"}),
        (BRAND, {"zone": "Europe/Berlin"}),
        (TOOL, {"names": ["two words"]}),
        (TOOL, {"exact": True}),
        (TOOL, {"algorithm": "gcra", "cases": [{"limit": 3}]}),
        (TOOL, {"cases": [{"plans": ["gold"], "limit": 3}]}),
        (TOOL, {"cases": [{"hours": {"begin": 18, "end": 9}, "limit": 3}]}),
        (TOOL, {"cases": [{"hours": {"begin": 9, "end": 25}, "limit": 3}]}),
        (TOOL, {"cases": [{"score_below": 0.1, "limit": 3}]}),
        (TOOL, {"cases": [{"limit": 0}]}),
        (MODEL, {"unit": "requests"}),
        (MODEL, {"algorithm": "sliding", "window": 60}),
        (MODEL, {"window": 60}),
        (MODEL, {"on_store_error": "degrade"}),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(rule: dict[str, Any], wrong: dict[str, Any]) -> None:
    parse_policy(with_limits(rule))
    with pytest.raises(PolicyError, match=r"limits|cases"):
        parse_policy(with_limits({**rule, **wrong}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("penalties/mode", "off"),
        ("penalties/warn/score", 300),
        ("penalties/suspend/score", 1001),
        ("penalties/suspend/longest_seconds", 1),
        ("penalties/slow/weight", 0),
        ("penalties/half_life_seconds", 0),
        ("penalties/refusal", 1.5),
        ("penalties/mercy", True),
    ],
)
def test_penalties_that_make_no_sense_are_refused(path: str, value: Any) -> None:
    with pytest.raises(PolicyError, match="penalties"):
        parse_policy(changed(path, value))


def test_what_a_policy_is_called_follows_its_content() -> None:
    first, second = parse_policy(DOCUMENT).label, parse_policy(changed("limits/0/limit", 9_999)).label
    assert first != second
    assert first.rpartition("/")[0] == second.rpartition("/")[0] == "1/2026-11"
    assert len(first) <= 64


def test_being_over_its_limit_is_never_held_against_an_address() -> None:
    compiler = Compiler(parse_policy(DOCUMENT))
    assert compiler.penalties is not None
    assert compiler.address_penalties is not None
    assert (compiler.penalties.strike, compiler.address_penalties.strike) == (2_000, 0)
