"""Names of versions: they order themselves, and say from when they are used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.key_versions import KID, KeyMissingError, VersionedSecret, begins_at, next_change, next_kid, ordered
from services.kit.org_proof import valid_kid

moments = st.integers(min_value=0, max_value=4_000_000_000)


def named(*kids: str) -> list[VersionedSecret]:
    return [VersionedSecret(kid, b"") for kid in kids]


@given(st.lists(moments, min_size=1, max_size=6), moments)
def test_whoever_is_asked_and_in_which_order_the_same_version_is_active(begins: list[int], now: int) -> None:
    kids: list[str] = ["0001"]
    for begin in begins:
        kids.append(next_kid(kids, begin))
    found = ordered(named(*kids), now)
    assert found == ordered(named(*reversed(kids)), now)
    assert {version.kid for version in found} == set(kids)
    expected = max((i for i, kid in enumerate(kids) if begins_at(kid) <= now), default=0)
    assert found[0].kid == kids[expected]
    assert all(begins_at(version.kid) > now for version in found if kids.index(version.kid) > expected)


@given(moments)
def test_a_moment_survives_its_name(begin: int) -> None:
    kid = next_kid(["k9", "0010"], begin)
    assert (kid[:4], begins_at(kid)) == ("0011", begin)
    assert KID.fullmatch(kid) and valid_kid(kid)


def test_the_next_change_is_the_first_moment_to_come() -> None:
    kids = ["0001", next_kid(["0001"], 100), next_kid(["0002"], 200)]
    assert [next_change(named(*kids), now) for now in (0, 100, 150, 200)] == [100, 200, 200, float("inf")]


def test_when_the_active_one_is_gone_the_next_in_line_serves() -> None:
    later = [next_kid([], 100), next_kid(["0001"], 200)]
    assert ordered(named(*later), 0)[0].kid == later[0]
    assert ordered([], 0) == ()


@pytest.mark.parametrize("kid", ["0002-20261301t000000z", "0002-20260230t000000z", "2-99999999t999999z"])
def test_a_moment_that_does_not_exist_is_refused(kid: str) -> None:
    with pytest.raises(KeyMissingError, match=kid):
        begins_at(kid)


@pytest.mark.parametrize("kid", ["0002", "k9", "0002-20260101", "0002-20260101t000000", "20260101t000000z"])
def test_a_name_without_a_moment_counts_at_once(kid: str) -> None:
    assert begins_at(kid) == 0
