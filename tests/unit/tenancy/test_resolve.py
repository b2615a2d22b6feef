"""Principals, owners, resources and page tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit import pages
from services.tenancy.policy import (
    Brand,
    Cause,
    Resolved,
    Resource,
    Status,
    deny,
    leaves_no_owner,
    locate,
    resolve,
    touches_owner,
)
from tests.unit.tenancy.world import member, standing

SHOP = Brand("shop", "Shop", "Europe/Berlin")


def test_a_member_gets_the_facts_of_the_token() -> None:
    found = resolve(standing(member("admin", "member")), SHOP)
    assert found.decision.allowed
    assert (found.brand, found.zone, found.plan, found.roles) == ("shop", "Europe/Berlin", "pro", ("admin", "member"))
    assert found.joined_at == 1_700_000_000.0
    assert resolve(standing(member("viewer", brands=frozenset({"shop"}))), Brand("shop", "", "")).zone == "UTC"


def test_stranger_and_unknown_brand_are_one_answer() -> None:
    one = Resolved(deny(Cause.NOT_PERMITTED))
    assert resolve(None, None) == one
    assert resolve(None, SHOP) == one
    assert resolve(standing(None), SHOP) == one
    assert resolve(standing(member("owner")), None) == one
    assert resolve(standing(member("owner", brands=frozenset({"club"}))), SHOP) == one
    assert resolve(standing(member("owner", brands=frozenset())), SHOP) == one


def test_suspended_wins() -> None:
    for who in (member("owner"), None):
        found = resolve(standing(who, Status.SUSPENDED), SHOP)
        assert found == Resolved(deny(Cause.ORGANISATION_SUSPENDED))


def test_a_resource_is_what_the_store_found() -> None:
    assert locate("acme", "Brand", "shop", frozenset({"shop"})) == Resource("Brand", "shop", "acme")
    assert locate("acme", "Organisation", "acme", frozenset()) == Resource("Organisation", "acme", "acme")
    for kind, name in (("Brand", "club"), ("Organisation", "globex"), ("Document", "shop"), ("brand", "shop")):
        assert locate("acme", kind, name, frozenset({"shop"})) is None


def test_owners_are_protected() -> None:
    owner, admin = member("owner"), member("admin")
    assert touches_owner(None, owner)
    assert touches_owner(owner, admin)
    assert touches_owner(owner, None)
    assert not touches_owner(admin, member("viewer"))
    assert not touches_owner(None, None)


@pytest.mark.parametrize("after", [None, member("admin"), member("owner", brands=frozenset({"shop"}))])
def test_the_last_owner_stays(after: object) -> None:
    assert leaves_no_owner(frozenset({"ann"}), "ann", after)  # type: ignore[arg-type]
    assert not leaves_no_owner(frozenset({"ann", "bob"}), "ann", after)  # type: ignore[arg-type]
    assert not leaves_no_owner(frozenset({"ann"}), "bob", after)  # type: ignore[arg-type]
    assert not leaves_no_owner(frozenset({"ann"}), "ann", member("owner", "viewer"))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", fullmatch=True))
def test_page_tokens_come_back(last: str) -> None:
    token = pages.encode("members", last)
    assert pages.decode("members", token) == last
    assert len(token) <= 256
    with pytest.raises(pages.BadTokenError):
        pages.decode("brands", token)


@given(st.text(st.sampled_from("abcXYZ019_-"), min_size=1, max_size=40))
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(pages.BadTokenError):
        pages.decode("brands", token)


def test_the_first_page_has_no_token() -> None:
    assert pages.decode("brands", "") == ""
    assert (pages.page_size(0), pages.page_size(7)) == (50, 7)
    assert len(pages.encode("brands", "b" * 63)) <= 128
