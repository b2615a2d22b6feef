"""Field masks and etags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import Aborted, InvalidArgument
from services.tenancy.flows.directory import MemberUpdate
from services.tenancy.flows.masks import MOST, chosen, hold
from services.tenancy.policy import Member

MUTABLE = frozenset({"roles", "display_name"})
KNOWN = frozenset({"user", "etag", "created_at"})
BOB = Member("bob", ("member",), frozenset({"shop"}), all_brands=False, joined_at=7.0, display_name="Bob", etag="e1")


def test_named_fields_and_all_of_them() -> None:
    assert chosen(["roles"], MUTABLE, KNOWN, ["display_name"]) == {"roles"}
    assert chosen(["*"], MUTABLE, KNOWN, []) == MUTABLE
    assert chosen([], MUTABLE, KNOWN, ["display_name"]) == {"display_name"}
    assert chosen([], MUTABLE, KNOWN, []) == set()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("etag", "cannot be changed"),
        ("user", "cannot be changed"),
        ("rolls", "must be one of display_name, roles"),
        ("roles.0", "must be one of"),
        ("", "must be one of"),
        ("ROLES", "must be one of"),
        ("*", "stands alone"),
    ],
)
def test_a_path_that_is_not_to_be_changed_is_refused_and_named(path: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        chosen(["roles", path], MUTABLE, KNOWN, [])
    (violation,) = caught.value.violations
    assert violation.field == "update_mask.paths[1]"
    assert words in violation.rule
    assert len(path) < 4 or path not in caught.value.message, "what was sent is not sent back"


def test_a_mask_is_bounded() -> None:
    with pytest.raises(InvalidArgument):
        chosen(["roles"] * (MOST + 1), MUTABLE, KNOWN, [])


@given(st.lists(st.text(max_size=12), max_size=6))
def test_only_mutable_fields_are_ever_chosen(paths: list[str]) -> None:
    try:
        assert chosen(paths, MUTABLE, KNOWN, ["user", "etag", "roles"]) <= MUTABLE
    except InvalidArgument:
        assert not set(paths) <= MUTABLE


def test_an_etag_holds_or_aborts() -> None:
    hold("", None)
    hold("", "e1")
    hold("e1", "e1")
    for asked, found in (("e1", "e2"), ("e1", None), ("e", "e1")):
        with pytest.raises(Aborted) as caught:
            hold(asked, found)
        assert (caught.value.code.name, caught.value.reason) == ("ABORTED", "ETAG_MISMATCH")


@given(st.sets(st.sampled_from(["roles", "brands", "display_name", "suspended"])))
def test_an_update_changes_what_is_named_and_nothing_else(fields: set[str]) -> None:
    update = MemberUpdate("bob", ("viewer",), frozenset({"club"}), "B.", True, tuple(sorted(fields)), "")
    made = update.applied(BOB, fields)
    assert made.roles == (("viewer",) if "roles" in fields else BOB.roles)
    assert made.brands == (frozenset({"club"}) if "brands" in fields else BOB.brands)
    assert made.display_name == ("B." if "display_name" in fields else BOB.display_name)
    assert made.suspended is ("suspended" in fields)
    assert (made.user, made.joined_at, made.all_brands) == ("bob", 7.0, False)


def test_brands_are_all_only_when_named_and_empty() -> None:
    update = MemberUpdate("bob", (), frozenset(), "", False, (), "")
    assert update.fields() == set()
    assert not update.applied(BOB, {"roles"}).all_brands
    assert update.applied(BOB, {"brands"}).all_brands
