"""The policy of retention: what it accepts, and what follows from it for each plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.housekeeping import OWNED
from cli.places import DEFAULT_POLICY
from services.audit.policy.retention import PolicyError, due, parse, seconds

DAY = 86_400.0
PLANS = {"org-f": "free", "org-p": "pro", "org-e": "enterprise", "org-x": "legacy"}


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(DEFAULT_POLICY).read_bytes())
    return found


def test_the_default_policy_says_what_was_promised() -> None:
    policy = parse(document(), OWNED)
    history = [policy.age("tenancy.conversations", plan) for plan in ("free", "pro", "enterprise", "legacy")]
    assert history == [7 * DAY, 90 * DAY, float("inf"), float("inf")]
    assert policy.trail.hot == 7 * 365 * DAY
    assert policy.volatile["redaction.mappings"] == policy.volatile["auth.session_cache"] == 300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["rows"].pop("auth.sessions"), "rows.auth.sessions: missing"),
        (lambda d: d["rows"].update({"auth.elsewhere": "1d"}), "no service keeps this"),
        (lambda d: d["rows"].update({"auth.sessions": {"free": "1d"}}), "one age for each of the plans"),
        (lambda d: d["rows"].update({"auth.sessions": 7}), "number with its unit"),
        (lambda d: d["rows"].update({"auth.sessions": "0d"}), "number with its unit"),
        (lambda d: d["rows"].update({"auth.api_keys": "1d"}), "31 days that other parts rely on"),
        (lambda d: d["rows"].update({"ratelimit.ledger": "90d"}), "no service keeps this"),
        (lambda d: d["watched"].update({"ratelimit.ledger": "1d"}), "shorter than the service keeps it"),
        (lambda d: d["volatile"].update({"redaction.mappings": "1min"}), "the service keeps it for 300 s"),
        (lambda d: d.update({"default_plan": "gold"}), "not one of plans"),
        (lambda d: d.update({"missed_after": "1h"}), "missed_after"),
        (lambda d: d.update({"missed_after": "unlimited"}), "missed_after"),
        (lambda d: d["trail"].update({"hot": "soon"}), "trail.hot"),
        (lambda d: d.update({"more": 1}), "more"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_reason(change: Any, said: str) -> None:
    data = document()
    change(data)
    with pytest.raises(PolicyError, match=said):
        parse(data, OWNED)


def test_the_longer_plan_counts_and_a_plan_nobody_knows_is_the_default_one() -> None:
    found = due(parse(document(), OWNED), OWNED, PLANS, 1000 * DAY)
    history = {
        (org, each.classes): each.before
        for each in found
        if each.name == "tenancy.conversations"
        for org in each.organisations or ()
    }
    assert history == {
        ("org-f", ("free",)): 993 * DAY,
        ("org-f", ("pro",)): 910 * DAY,  # written when it was on pro
        ("org-p", ("free",)): 910 * DAY,  # written when it was on free, and it is on pro today
        ("org-p", ("pro",)): 910 * DAY,
    }
    assert all("org-x" not in (each.organisations or ()) for each in found if each.name == "tenancy.conversations")


@given(st.integers(1, 9_999_999), st.sampled_from(["s", "min", "h", "d", "y"]))
def test_ages_are_what_they_say(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") % number == 0
    for wrong in (f"{number}", f"{number} {unit}", f"-{number}{unit}", f"{number}{unit}s", f"{number}.5{unit}"):
        if wrong != f"{number}mins":
            with pytest.raises(ValueError, match="unit"):
                seconds(wrong)
