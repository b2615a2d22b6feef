"""Plans of single policies: translated as Cedar means them, or left out, never wider."""

from __future__ import annotations

import pytest

from services.tenancy.policy import Circumstances, Member, Resource, Status, authorize
from services.tenancy.policy.filters import matches
from services.tenancy.policy.index import Index
from services.tenancy.policy.planning import plan_for
from services.tenancy.policy.retrieval import Reach
from services.tenancy.policy.statement import parsed, policy_of
from tests.unit.tenancy.world import engine, member, standing

ROWS = [
    Resource("Document", name, org, owner, brand, frozenset(labels))
    for name in ("d1", "d2")
    for org in ("acme", "globex")
    for owner in ("", "ann", "bob")
    for brand in ("", "shop", "club")
    for labels in ((), ("red",), ("private",), ("red", "restricted"))
]
SAID = Circumstances(frozenset({"one"}), brand="shop", plan="pro", amr=("otp",), age=30)
PERMIT = '@id("own.p") permit (principal, action == Action::"document.read", resource is Document) when {{ {} }};'
FORBID = '@id("own.f") forbid (principal, action, resource is Document) when {{ {} }};'
EXACT = (
    "true",
    'resource.labels.contains("red")',
    '!resource.labels.contains("red")',
    'resource.labels.containsAny(["red", "blue"])',
    'resource.labels.containsAll(["red", "restricted"])',
    "resource has owner && resource.owner == principal",
    "resource has owner && resource.owner != principal",
    'resource has owner && resource.owner == User::"globex/ann"',
    'resource == Document::"acme/d1" || resource in Document::"acme/d2"',
    'resource == Document::"globex/d1"',
    "resource has brand && principal.brands.contains(resource.brand)",
    'if resource has brand then resource.brand == Brand::"acme/shop" else resource.labels.contains("red")',
    'context.plan == "pro" && context.brand like "sh*" && context.authentication.age <= 60',
    'context.authentication.methods.contains("otp") && context.scopes.containsAll(["one"])',
    'principal in Role::"viewer" && principal has brands && principal.organisation == resource.organisation',
    'resource is Document && !(resource is Document in Document::"acme/d2")',
)
INEXACT = (
    "resource.labels.isEmpty()",
    'resource.labels == ["red"]',
    '["red"].containsAll(resource.labels)',
    "context.authentication.age + 9223372036854775807 > 0",
    "resource has brand && resource.brand.organisation == principal.organisation",
    'resource has owner && resource.owner in Role::"viewer"',
    'resource.labels.isEmpty() || resource.labels.contains("red")',
)


def compared(text: str, who: Member) -> tuple[list[bool], list[bool], bool]:
    own = Index()
    own.add([policy_of(parsed(text), text)])
    asked = engine().with_own(1, own)
    found = plan_for(asked, standing(who), "document.read", "Document", SAID)
    chosen = [matches(found.filter, row) for row in ROWS]
    return chosen, [authorize(asked, standing(who), "document.read", row, SAID).allowed for row in ROWS], found.partial


@pytest.mark.parametrize("condition", EXACT)
@pytest.mark.parametrize("form", [PERMIT, FORBID])
def test_what_a_filter_can_say_it_says_exactly(form: str, condition: str) -> None:
    for who in (member("viewer", brands=frozenset({"shop"})), member(), member("owner", user="bob")):
        chosen, allowed, partial = compared(form.format(condition), who)
        assert not partial
        assert chosen == allowed


@pytest.mark.parametrize("condition", INEXACT)
@pytest.mark.parametrize("form", [PERMIT, FORBID])
def test_what_it_cannot_say_is_left_out_and_said(form: str, condition: str) -> None:
    for who in (member("viewer", brands=frozenset({"shop"})), member(brands=frozenset({"shop"}), user="bob")):
        chosen, allowed, partial = compared(form.format(condition), who)
        assert partial
        assert not any(row and not check for row, check in zip(chosen, allowed, strict=True))


def test_an_untranslatable_permit_takes_nothing_from_the_others() -> None:
    chosen, _, partial = compared(PERMIT.format("resource.labels.isEmpty()"), member("viewer"))
    assert partial
    assert sum(chosen) > 10


@pytest.mark.parametrize("status", [Status.SUSPENDED])
def test_who_is_barred_reads_nothing(status: Status) -> None:
    for who in (standing(member("owner"), status), standing(None), None):
        assert plan_for(engine(), who, "document.read", "Document", SAID).reach is Reach.NOTHING


def test_unknown_questions_and_roles_read_nothing() -> None:
    boss = standing(member("owner"))
    for action, kind in (("document.read", "Invoice"), ("document.burn", "Document"), ("chat.send", "Document")):
        assert plan_for(engine(), boss, action, kind, SAID).reach is Reach.NOTHING
    strange = standing(Member("ann", ("owner", "root"), frozenset(), all_brands=True))
    assert plan_for(engine(), strange, "document.read", "Document", SAID).reach is Reach.NOTHING
