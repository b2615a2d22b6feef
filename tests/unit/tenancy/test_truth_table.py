"""Who may do what, written out by hand, against the shipped policies."""

from __future__ import annotations

from itertools import product

import pytest

from services.tenancy.policy import Cause, Member, Resource, Status, authorize
from tests.unit.tenancy.world import SCOPES, brand, engine, member, organisation, standing

ROLES = ("viewer", "member", "admin", "owner")
# Action, then the least role on the organisation and on a brand ("" = nobody may), then the scope it needs.
TABLE = {
    "brands.read": ("viewer", "viewer", ""),
    "knowledge.read": ("", "viewer", ""),
    "chat.send": ("", "member", ""),
    "knowledge.write": ("admin", "admin", "knowledge.write"),
    "resources.write": ("admin", "admin", "resources.write"),
    "keys.manage": ("admin", "admin", "keys.manage"),
    "members.manage": ("admin", "admin", "members.manage"),
    "brands.manage": ("admin", "admin", "brands.manage"),
    "owners.manage": ("owner", "", "members.manage"),
    "policies.manage": ("owner", "", "policies.manage"),
    "invoices.read": ("", "viewer", ""),
    "tools.call": ("", "member", ""),
    "orders.refund": ("", "admin", ""),
    "tools.manage": ("admin", "", "tools.manage"),
    "recognizers.manage": ("admin", "", "recognizers.manage"),
    "chat.delete": ("", "", ""),
    "administering": ("", "", ""),
}
RESOURCES = {
    "own organisation": organisation(),
    "own brand": brand("shop"),
    "own other brand": brand("club"),
    "foreign organisation": organisation("globex"),
    "foreign brand": brand("shop", "globex"),
    "nothing": None,
}
REACH = {"all": None, "shop only": frozenset({"shop"}), "none": frozenset[str]()}


def expected(role: str, action: str, where: str, reach: str, scopes: frozenset[str]) -> bool:
    on_organisation, on_brand, scope = TABLE[action]
    least = {"own organisation": on_organisation, "own brand": on_brand, "own other brand": on_brand}.get(where, "")
    if not least or ROLES.index(role) < ROLES.index(least) or (scope and scope not in scopes):
        return False
    if where == "own organisation":
        return reach == "all" or ROLES.index(least) < ROLES.index("admin")
    return reach == "all" or (reach == "shop only" and where == "own brand")


CASES = list(product(ROLES, TABLE, RESOURCES, REACH, (SCOPES, frozenset[str]())))


def test_every_case() -> None:
    allowed = 0
    for role, action, where, reach, scopes in CASES:
        decision = authorize(engine(), standing(member(role, brands=REACH[reach])), action, RESOURCES[where], scopes)
        wanted = expected(role, action, where, reach, scopes)
        assert decision.allowed is wanted, (role, action, where, reach, sorted(scopes), decision)
        assert decision.cause is (Cause.NONE if wanted else Cause.NOT_PERMITTED)
        allowed += wanted
    assert 0 < allowed < len(CASES) - allowed


def test_roles_add_up_and_no_role_is_nothing() -> None:
    both = standing(member("viewer", "member"))
    assert authorize(engine(), both, "chat.send", brand(), ()).policies == ("role.member",)
    assert authorize(engine(), both, "brands.read", brand(), ()).policies == ("role.member", "role.viewer")
    assert not authorize(engine(), standing(member()), "brands.read", brand(), ()).allowed


@pytest.mark.parametrize("role", ROLES)
def test_suspended_and_strangers(role: str) -> None:
    suspended = standing(member(role), Status.SUSPENDED)
    assert authorize(engine(), suspended, "brands.read", brand(), SCOPES).cause is Cause.ORGANISATION_SUSPENDED
    assert authorize(engine(), standing(None), "brands.read", brand(), SCOPES).cause is Cause.NOT_PERMITTED
    assert authorize(engine(), None, "brands.read", brand(), SCOPES).cause is Cause.NOT_PERMITTED


def test_what_the_schema_does_not_know_is_refused() -> None:
    who = standing(member("owner"))
    for odd in (
        Resource("Document", "d1", "acme"),
        Resource("User", "acme/ann", "acme"),
        Resource("Role", "x", "acme"),
    ):
        assert authorize(engine(), who, "brands.read", odd, SCOPES).cause is Cause.NOT_PERMITTED


def test_an_unknown_role_in_the_store_denies_as_an_error() -> None:
    strange = Member("ann", ("owner", "root"), frozenset(), all_brands=True)
    assert authorize(engine(), standing(strange), "brands.read", brand(), SCOPES).cause is Cause.POLICY_ERROR
    assert not engine().knows_roles(("owner", "root"))
    assert engine().knows_roles(ROLES)
