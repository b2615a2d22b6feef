"""Filters: what they choose, their SQL, and that no name or value gets into its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tenancy.policy import Resource
from services.tenancy.policy.filters import (
    EVERY,
    NONE,
    BadColumnError,
    Field,
    Filter,
    Labelled,
    Placeholder,
    among,
    both,
    either,
    except_,
    matches,
    to_sql,
)

VALUES = ("", "a", "b")
ROWS = [
    Resource("Document", "d", "acme", owner, brand, frozenset(labels))
    for owner in VALUES
    for brand in VALUES
    for labels in ((), ("x",), ("x", "y"))
]
leaves = st.one_of(
    st.just(EVERY),
    st.just(NONE),
    st.builds(among, st.sampled_from([Field.OWNER, Field.BRAND]), st.lists(st.sampled_from(VALUES), max_size=2)),
    st.builds(Labelled, st.sampled_from(["x", "y", "z"])),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    leaves,
    lambda inner: st.one_of(st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(except_, inner)),
    max_leaves=8,
)


@given(filters, filters)
def test_the_algebra_is_the_one_of_rows(one: Filter, other: Filter) -> None:
    for row in ROWS:
        assert matches(both(one, other), row) is (matches(one, row) and matches(other, row))
        assert matches(either(one, other), row) is (matches(one, row) or matches(other, row))
        assert matches(except_(one), row) is not matches(one, row)


@given(filters)
def test_every_value_is_a_parameter(chosen: Filter) -> None:
    text, parameters = to_sql(chosen, {})
    assert all(f"${number}" in text for number in range(1, len(parameters) + 1))
    assert f"${len(parameters) + 1}" not in text
    formatted, same = to_sql(chosen, {}, Placeholder.FORMAT)
    assert formatted.count("%s") == len(same) == len(parameters)


def test_nothing_is_chosen_by_nothing() -> None:
    assert among(Field.ID, []) == NONE
    assert both(EVERY, NONE) == NONE
    assert either() == NONE
    assert to_sql(NONE, {}) == ("FALSE", [])


@pytest.mark.parametrize("name", ["", "a b", 'a"', "a.b.c.d", "a;", "ä", "a\n", "a" * 64])
def test_a_name_that_is_no_column_is_refused(name: str) -> None:
    with pytest.raises(BadColumnError):
        to_sql(EVERY, {Field.ID: name})
