"""Limits that an API key brings along: added to the plan's, never in place of them, never wider than they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.caller import KeyLimit
from services.ratelimit.adapters.policy_file import load_policy
from services.ratelimit.policy import Identity, Subject
from services.ratelimit.policy.compile import Compiler, own_limit
from services.ratelimit.policy.document import EXACT
from services.ratelimit.policy.model import Algorithm, OnStoreError
from services.ratelimit.settings import DEFAULT_POLICY

POLICY = load_policy(DEFAULT_POLICY)
KEY = Identity("acme", "pro", "key_" + "1" * 22, "ada", "shop")
OWN = (KeyLimit("requests", 100, 60), KeyLimit("micro_usd", 5_000_000, 86_400))


def ids(identity: Identity) -> list[str]:
    return [limit.id for group in Compiler(POLICY).tenant(identity) for limit in group.limits]


def test_they_are_added_under_their_own_names() -> None:
    plain, own = ids(KEY), ids(replace(KEY, limits=OWN))
    assert sorted(own) == sorted([*plain, "key.requests.60", "key.micro_usd.86400"])


def test_they_count_for_the_key() -> None:
    groups = Compiler(POLICY).tenant(replace(KEY, limits=OWN))
    keyed = [group for group in groups if group.subject is Subject.API_KEY]
    assert len(keyed) == 1
    assert {limit.subject for limit in keyed[0].limits} == {Subject.API_KEY}


def test_whoever_has_no_key_has_none() -> None:
    assert ids(replace(KEY, credential_id="jwt:1", limits=OWN)) == ids(replace(KEY, credential_id="jwt:1"))


def test_the_same_limits_are_compiled_once_and_others_apart() -> None:
    compiler = Compiler(POLICY)
    first = compiler.tenant(replace(KEY, limits=OWN))
    assert compiler.tenant(replace(KEY, credential_id="key_" + "2" * 22, limits=OWN)) is first
    assert compiler.tenant(replace(KEY, limits=OWN[:1])) is not first


def test_money_and_tokens_are_never_given_without_the_store() -> None:
    by_unit = {limit.unit: own_limit(limit).on_store_error for limit in (*OWN, KeyLimit("tokens", 1, 1))}
    assert by_unit == {
        "requests": OnStoreError.DEGRADE,
        "micro_usd": OnStoreError.CLOSED,
        "tokens": OnStoreError.CLOSED,
    }


def test_an_unknown_unit_is_refused_not_left_out() -> None:
    with pytest.raises(ValueError, match="bytes"):
        own_limit(KeyLimit("bytes", 1, 60))


@given(st.sampled_from(["requests", "tokens", "micro_usd"]), st.integers(1, 10**12), st.integers(1, 31 * 86_400))
def test_every_limit_can_be_counted_and_is_no_wider(unit: str, amount: int, seconds: int) -> None:
    found = own_limit(KeyLimit(unit, amount, seconds))
    assert 1 <= found.limit <= amount
    assert found.capacity == found.limit
    if found.algorithm is Algorithm.SLIDING:
        assert found.limit * seconds * 1000 <= EXACT
    else:
        assert found.interval_us >= 100
