"""What an organisation may write: every rule named with its policy, and no text that gets past them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.tenancy.policy import Circumstances, Engine, Resource, own
from services.tenancy.policy.index import Index
from services.tenancy.policy.statement import loaded, split
from tests.unit.tenancy.world import SCOPES, brand, engine, member, organisation

PERMIT_ALL = '@id("all") permit (principal, action, resource);'


def broken(text: str) -> list[tuple[str, str]]:
    found = own.finished(own.read(engine().language, "acme", text))
    return [(v.policy, v.rule) for v in found.violations or own.validated(engine().language, found.policies)]


def with_own(text: str) -> Engine:
    found = own.finished(own.read(engine().language, "acme", text))
    assert not found.violations
    assert not own.validated(engine().language, found.policies)
    index = Index()
    index.add(found.policies)
    return engine().with_own(1, index)


@pytest.mark.parametrize(
    ("text", "policy", "rule"),
    [
        ("permit (", "policies[0]", "parse"),
        ("permit (principal, action, resource);", "policies[0]", "@id"),
        ('@id("Loud") permit (principal, action, resource);', "policies[0]", "@id"),
        (PERMIT_ALL + PERMIT_ALL, "all", "taken"),
        (PERMIT_ALL + " permit", "policies[1]", "parse"),
        ('@id("isolation.brand") permit (principal, action, resource);', "isolation.brand", "defaults"),
        ('@id("role") permit (principal, action, resource);', "role", "defaults"),
        ('@id("x") @shadow permit (principal, action, resource);', "x", "annotations"),
        ('@id("x") @step_up permit (principal, action, resource);', "x", "forbid"),
        ('@id("x") permit (principal == ?principal, action, resource);', "policies[0]", "templates"),
        ('@id("x") permit (principal == User::"globex/ann", action, resource);', "x", "id of User"),
        ('@id("x") permit (principal == User::"acme", action, resource);', "x", "id of User"),
        ('@id("x") permit (principal, action, resource == Organisation::"globex");', "x", "id of Organisation"),
        ('@id("x") forbid (principal, action, resource) when { [Brand::"b/c"].contains(resource) };', "x", "Brand"),
        ('@id("x") permit (principal is User in Role::"root", action, resource);', "x", "eid"),
        ('@id("x") permit (principal, action == Action::"fly", resource);', "x", "Action"),
        ('@id("x") permit (principal, action, resource) when { principal.salary > 3 };', "x", "salary"),
        ('@id("x") permit (principal, action, resource) when { context.scopes == 3 };', "x", "types"),
        ('@id("x") permit (principal, action, resource) when { "' + "a" * 5000 + '" == "" };', "policies[0]", "4096"),
    ],
)
def test_every_rule_names_its_policy(text: str, policy: str, rule: str) -> None:
    found = broken(text)
    assert {name for name, _ in found} == {policy}
    assert rule in found[0][1]


def test_no_organisation_can_take_the_name_of_a_default() -> None:
    names = [policy.id for policy in engine()._defaults.policies]
    assert len(names) > 15
    assert {name.split(".")[0] for name in names} <= {*own.RESERVED}


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = 'permit (principal, action, resource); @id("role.x") @y forbid (principal, action, resource);'
    assert [policy for policy, _ in broken(text)] == ["policies[0]", "role.x", "role.x"]


def test_too_many_that_meet_in_one_question_are_refused() -> None:
    wide = [f'@id("w{n}") forbid (principal in Role::"viewer", action, resource);' for n in range(101)]
    assert "at most 100" in broken("\n".join(wide))[0][1]
    assert not broken("\n".join(wide[:100]))
    narrow = [f'@id("n{n}") forbid (principal == User::"acme/u{n}", action, resource);' for n in range(300)]
    assert not broken("\n".join(narrow))


def test_a_permit_of_everything_reaches_nothing_beyond() -> None:
    grabbed = with_own(PERMIT_ALL)
    everything = Circumstances(SCOPES)
    for roles in ((), ("viewer",), ("admin",)):
        who = member(*roles)
        assert grabbed.evaluate("acme", who, "chat.send", brand(), everything).allowed
        for action in ("owners.manage", "policies.manage"):
            assert not grabbed.evaluate("acme", who, action, organisation(), everything).allowed
    limited = member("owner", brands=frozenset({"club"}))
    for asked in (("chat.send", brand()), ("keys.manage", organisation()), ("chat.send", brand("club", "globex"))):
        assert not grabbed.evaluate("acme", limited, *asked, everything).allowed
    assert not grabbed.evaluate("acme", member("owner"), "keys.manage", organisation(), ()).allowed


def test_a_forbid_of_everything_does_not_lock_owners_out() -> None:
    locked = with_own('@id("stop") forbid (principal, action, resource);')
    owner = member("owner")
    assert not locked.evaluate("acme", owner, "chat.send", brand(), SCOPES).allowed
    assert locked.evaluate("acme", owner, "policies.manage", organisation(), SCOPES).allowed


def test_what_cannot_be_evaluated_denies() -> None:
    failing = with_own('@id("x") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };')
    assert not failing.evaluate("acme", member("owner"), "chat.send", brand(), SCOPES).allowed


@settings(deadline=None)
@given(st.lists(st.sampled_from(['";', "// ; \n", "permit (principal, action, resource);", '@id("a;\\"")', " ", "\\"])))
def test_no_text_is_read_as_other_policies_than_cedar_reads(parts: list[str]) -> None:
    source = "".join(parts)
    found = own.finished(own.read(engine().language, "acme", source))
    if not found.violations:
        assert "".join("".join(split(source)).split()) in "".join(source.split())
        assert all(policy.text in source for policy in found.policies)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    own.finished(own.read(engine().language, "acme", text))


def test_policies_come_back_from_the_store() -> None:
    text = '@id("x") @step_up forbid (principal in Role::"viewer", action == Action::"chat.send", resource is Brand);'
    (policy,) = own.finished(own.read(engine().language, "acme", text)).policies
    assert loaded(policy.dumped()) == policy
    assert (policy.principal, policy.actions, policy.resource) == ("Role::viewer", ("chat.send",), "Brand")
    assert Resource("Brand", "shop", "acme").type == policy.resource
