"""Which limits count a descriptor, and what a request is told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.ratelimit.policy.descriptors import Asked, DescriptorLimit, EnvoyDomain, draws_of
from services.ratelimit.policy.edge_verdict import EdgeStanding, judge, refuse_unmatched

MINUTE = {"id": "a", "window": 60, "algorithm": "sliding", "limit": 10}


def domain(*matches: Any, **more: Any) -> EnvoyDomain:
    rules = [{"match": match, "limits": [MINUTE | {"id": f"l{n}"}]} for n, match in enumerate(matches)]
    return EnvoyDomain.model_validate({"rules": rules, **more})


def asked(*entries: tuple[str, str], hits: int = 1) -> Asked:
    return Asked(entries, hits)


def limit(**more: Any) -> DescriptorLimit:
    return DescriptorLimit.model_validate(MINUTE | more)


def standing(name: str, *, fits: bool, remaining: int, wait_us: int | None = None, **more: Any) -> EdgeStanding:
    return EdgeStanding(limit(id=name, **more), fits, remaining, wait_us, 5_000_000)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([("path", "/login")], "l0"),
        ([("path", "/other")], "l1"),
        ([("address", "10.0.0.1"), ("path", "/login")], "l2"),
    ],
)
def test_the_first_rule_that_matches_counts(entries: list[tuple[str, str]], found: str) -> None:
    rules = domain([{"path": "/login"}], ["path"], ["address", {"path": "/login"}])
    (draw,), owners = draws_of(rules, [Asked(tuple(entries), 1)])
    assert ([each.id for each in draw.limits], owners) == ([found], (0,))


@pytest.mark.parametrize(
    "entries",
    [
        [("path", "/x"), ("address", "10.0.0.1")],
        [("address", "10.0.0.1")],
        [("address", "10.0.0.1"), ("path", "/x"), ("path", "/x")],
        [("Path", "/x")],
        [("path ", "/x")],
        [("method", "/login")],
    ],
)
def test_another_order_length_or_key_matches_nothing(entries: list[tuple[str, str]]) -> None:
    draws, owners = draws_of(domain(["path"], ["address", "path"]), [Asked(tuple(entries), 1)])
    assert (draws, owners) == ((), (None,))


def test_the_same_descriptor_twice_is_one_draw_of_both_amounts() -> None:
    twice = [asked(("path", "/x"), hits=2), asked(("path", "/y")), asked(("path", "/x"), hits=3)]
    draws, owners = draws_of(domain(["path"]), twice)
    assert [draw.hits for draw in draws] == [5, 1]
    assert owners == (0, 1, 0)


def test_values_that_run_together_stay_apart_and_are_not_shown() -> None:
    pairs = [(("a", "b:c"), ("d", "e")), (("a", "b"), ("d", "c:e")), (("a", 'b"],["d'), ("d", "e"))]
    subjects = {draws_of(domain(["a", "d"]), [Asked(pair, 1)])[0][0].subject for pair in pairs}
    assert len(subjects) == 3
    secret = draws_of(domain(["key"]), [asked(("key", "hunter2"))])[0][0]
    assert "hunter2" not in secret.subject


@pytest.mark.parametrize(
    "rules",
    [
        {"rules": []},
        {"rules": [{"match": [], "limits": [MINUTE]}]},
        {"rules": [{"match": ["a"], "limits": []}]},
        {"rules": [{"match": [{"a": "1", "b": "2"}], "limits": [MINUTE]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE, MINUTE]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE]}, {"match": [{"a": "1"}], "limits": [MINUTE | {"id": "b"}]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE | {"algorithm": "gcra"}], "settle": True}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE | {"algorithm": "calendar"}]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE | {"limit": 0}]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE | {"algorithm": "gcra", "window": 1, "limit": 10_001}]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE | {"window": 31 * 86_400, "limit": 10**9}]}]},
        {"rules": [{"match": ["a"], "limits": [MINUTE]}], "unmatched": "yes"},
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EnvoyDomain.model_validate(rules)


def test_one_descriptor_over_is_the_request_over_and_the_longest_wait_counts() -> None:
    slow = standing("slow", fits=False, remaining=0, wait_us=90_000_001)
    soon = standing("soon", fits=False, remaining=0, wait_us=1_000_000)
    fine = standing("fine", fits=True, remaining=7)
    found = judge([[soon, slow], [fine]], [0, 1], allow_unmatched=False)
    assert found.over
    assert [(each.over, each.nearest and each.nearest.limit.id) for each in found.answers] == [
        (True, "slow"),
        (False, "fine"),
    ]
    assert dict(found.headers)["retry-after"] == "91"
    assert dict(found.headers)["ratelimit"] == '"slow";r=0;t=5, "soon";r=0;t=5, "fine";r=7;t=5'
    assert dict(found.headers)["ratelimit-policy"].startswith('"slow";q=10;w=60, ')


def test_what_never_fits_names_no_time_to_wait() -> None:
    soon = standing("soon", fits=False, remaining=0, wait_us=1)
    found = judge([[standing("never", fits=False, remaining=3), soon]], [0], allow_unmatched=False)
    assert found.answers[0].nearest is not None and found.answers[0].nearest.limit.id == "never"
    assert "retry-after" not in dict(found.headers)


def test_a_limit_that_only_observes_refuses_nobody() -> None:
    found = judge([[standing("seen", fits=False, remaining=0, wait_us=9, mode="observe")]], [0], allow_unmatched=False)
    assert not found.over and not found.answers[0].over
    assert "retry-after" not in dict(found.headers)


def test_a_descriptor_without_a_rule_is_over_unless_the_domain_lets_it_pass() -> None:
    assert [each.over for each in refuse_unmatched([0, None]).answers] == [False, True]
    assert refuse_unmatched([None]).over
    assert not judge([], [None], allow_unmatched=True).over
    assert judge([], [None], allow_unmatched=False).over
