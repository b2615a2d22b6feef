"""The policy document: the promised numbers, and how strictly everything else is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ratelimit.adapters.policy_file import load_policy
from services.ratelimit.policy import (
    Compiler,
    Identity,
    Limit,
    OnExceed,
    OnExpiry,
    OnStoreError,
    PolicyError,
    Subject,
    parse_policy,
)
from services.ratelimit.settings import DEFAULT_POLICY

DOCUMENT = yaml.safe_load(DEFAULT_POLICY.read_text())


def changed(path: str, value: Any) -> Any:
    """The default document with one value changed; the path is dotted."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    target = document
    for part in parents:
        target = target[part]
    target[last] = value
    return document


WEDNESDAY_NOON = 1_772_625_600  # 2026-03-04 12:00:00 UTC


def limits_of(plan: str, organisation: str = "acme", document: Any = None) -> dict[str, Limit]:
    """In business hours, of an account that is new."""
    compiler = Compiler(parse_policy(document or DOCUMENT))
    groups = compiler.tenant(Identity(organisation, plan, "key_0123456789abcdef", "ada", "shop"), WEDNESDAY_NOON)
    return {limit.id: limit for group in groups for limit in group.limits}


@pytest.mark.parametrize(
    ("plan", "minute", "day", "month", "money"),
    [
        ("free", 10, 500, 5_000, 5_000_000),
        ("pro", 100, 10_000, 200_000, 100_000_000),
        ("enterprise", 1_000, 200_000, 5_000_000, 2_000_000_000),
        ("unheard-of", 10, 500, 5_000, 5_000_000),
        ("", 10, 500, 5_000, 5_000_000),
    ],
)
def test_the_numbers_of_each_plan(plan: str, minute: int, day: int, month: int, money: int) -> None:
    limits = limits_of(plan)
    numbers = {name: limit.limit for name, limit in limits.items()}
    assert numbers == {
        "api_key.requests.minute": minute,
        "api_key.requests.day": day,
        "api_key.requests.month": month,
        "user_brand.messages.minute": 15,
        "user_brand.messages.hour": 1_000 if plan == "enterprise" else 200,
        "user_brand.tokens.day": 50_000,
        "organisation.money.day": money,
    }
    assert all(not limit.observe for limit in limits.values())


def test_money_and_tokens_are_closed_and_charged_on_expiry() -> None:
    limits = limits_of("pro")
    for name in ("user_brand.tokens.day", "organisation.money.day"):
        assert (limits[name].on_store_error, limits[name].on_expiry) == (OnStoreError.CLOSED, OnExpiry.CHARGE)


def test_an_address_gets_ten_thousand_a_minute_then_a_challenge() -> None:
    (group,) = Compiler(parse_policy(DOCUMENT)).address()
    (limit,) = group.limits
    assert (limit.limit, limit.window_seconds) == (10_000, 60)
    assert (limit.on_exceed, limit.on_store_error) == (OnExceed.CHALLENGE, OnStoreError.DEGRADE)


def test_an_organisation_may_have_its_own_budget() -> None:
    document = changed("organisations", {"acme": {"organisation.money.day": 42}})
    assert limits_of("pro", "acme", document)["organisation.money.day"].limit == 42
    assert limits_of("pro", "globex", document)["organisation.money.day"].limit == 100_000_000


@pytest.mark.parametrize("credential", ["", "issuer-1", "session-1", "KEY_1", "xkey_1"])
def test_only_an_api_key_is_counted_per_key(credential: str) -> None:
    groups = Compiler(parse_policy(DOCUMENT)).tenant(Identity("acme", "pro", credential, "ada", "shop"))
    assert [group.subject for group in groups] == [Subject.USER_BRAND, Subject.ORGANISATION]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("limits/0/windw", 60, "limits.0.windw"),
        ("surprise", 1, "surprise"),
        ("holds/default", 1, "holds.default"),
        ("limits/0/limit", -1, "limits.0.limit"),
        ("limits/0/limit", 1.5, "limits.0.limit"),
        ("limits/0/limit", "10", "limits.0.limit"),
        ("limits/0/limit", 0, "limits.0"),
        ("limits/0/limit", 10**9, "limits.0"),
        ("limits/0/subject", "planet", "limits.0.subject"),
        ("limits/0/unit", "tokens", "limits.0"),
        ("limits/0/window", "day", "limits.0"),
        ("limits/0/on_store_error", "allow", "limits.0.on_store_error"),
        ("limits/0/mode", "off", "limits.0.mode"),
        ("limits/0/id", "Bad Id", "limits.0.id"),
        ("limits/0/id", "api_key.requests.day", "unique"),
        ("limits/1/limit", {"free": 1, "pro": 2}, "api_key.requests.minute.limit"),
        ("limits/2/window", 86_400, "limits.2"),
        ("limits/2/burst", 3, "limits.2"),
        ("limits/4/limit", 10**12, "limits.4"),
        ("limits", [], "limits"),
        ("default_plan", "gold", "default_plan"),
        ("organisations", {"acme": {"no.such.limit": 1}}, "no.such.limit"),
        ("organisations", {"acme": {"user_brand.messages.minute": 0}}, "user_brand.messages.minute"),
        ("prices/models", {}, "prices.models"),
        ("prices/models/gpt-4o", {"input": 1}, "prices.models.gpt-4o.output"),
        ("prices/models/gpt-4o/input", 0.5, "prices.models.gpt-4o.input"),
        ("prices/unknown_model", "free", "prices.unknown_model"),
    ],
)
def test_a_wrong_key_is_refused_by_name(path: str, value: Any, named: str) -> None:
    with pytest.raises(PolicyError, match=named.replace(".", r"\.")):
        parse_policy(changed(path, value))


@pytest.mark.parametrize("data", [None, [], "policy", 3, {}])
def test_what_is_no_policy_is_refused(data: Any) -> None:
    with pytest.raises(PolicyError):
        parse_policy(data)


@pytest.mark.parametrize("text", ["version: 1\nversion: 2\n", "limits: [", "a: !!python/object:os.system x"])
def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ratelimit.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError):
        load_policy(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "absent.yaml")
