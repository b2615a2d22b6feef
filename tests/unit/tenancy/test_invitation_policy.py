"""Secrets of invitations, and who may invite to what."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tenancy.policy import Member, leaves_no_owner, touches_owner
from services.tenancy.policy.invitations import SECRET_BYTES, compose, digest_of, may_invite, public_id

ROLES = st.lists(st.sampled_from(["owner", "admin", "member", "viewer"]), min_size=1, unique=True).map(tuple)
RANDOM = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)


@given(ROLES, st.booleans(), st.booleans())
def test_nobody_invites_to_more_than_they_could_put_there(roles: tuple[str, ...], members: bool, owners: bool) -> None:
    """The same rule as for PutMember of somebody new, worked out by the rule for PutMember."""
    wanted = Member("new", roles, frozenset(), all_brands=True)
    could_put = members and (owners or not touches_owner(None, wanted))
    assert may_invite(roles, manages_members=members, manages_owners=owners) == could_put


@given(RANDOM)
def test_a_secret_is_recognised_and_only_its_digest_is_kept(random: bytes) -> None:
    secret = compose(random)
    assert secret.startswith("hbi_")
    assert len(secret) == 53
    assert digest_of(secret) == hashlib.sha256(secret.encode()).digest()


@given(RANDOM, st.integers(0, 52), st.sampled_from("0Aaz_- \n"))
def test_one_wrong_character_is_noticed_without_a_lookup(random: bytes, place: int, character: str) -> None:
    secret = compose(random)
    wrong = secret[:place] + character + secret[place + 1 :]
    assert (digest_of(wrong) is None) == (wrong != secret)


@given(st.text(max_size=80))
def test_any_other_text_is_none(text: str) -> None:
    assert digest_of(text) is None


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda s: s + "0", lambda s: s[:-1], lambda s: " " + s])
def test_lookalikes_are_none(change: object) -> None:
    assert digest_of(change(compose(bytes(range(32))))) is None  # type: ignore[operator]


def test_an_id_says_nothing_of_the_secret_and_sizes_are_held_to() -> None:
    assert public_id(bytes(32)) == "inv_" + "0" * 22
    for size in (0, 16, 31, 33):
        with pytest.raises(ValueError, match="32 random bytes"):
            compose(bytes(size))


@given(ROLES, st.booleans(), st.booleans())
def test_a_suspended_owner_is_no_owner(roles: tuple[str, ...], everywhere: bool, suspended: bool) -> None:
    after = Member("ann", roles, frozenset(), all_brands=everywhere, suspended=suspended)
    stays = "owner" in roles and everywhere and not suspended
    assert leaves_no_owner(frozenset({"ann"}), "ann", after) == (not stays)
    assert not leaves_no_owner(frozenset({"ann", "amy"}), "ann", after)
