"""Whatever is not a clean Allow is a refusal, and a bad policy set never starts."""

from __future__ import annotations

from functools import cache
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.settings import SettingsError
from services.tenancy.bootstrap import load_engine
from services.tenancy.policy import Cause, Engine, Member, PolicyInvalidError, Resource, authorize, cedar
from tests.unit.tenancy.world import (
    POLICIES,
    SCOPES,
    brand,
    engine,
    member,
    organisation,
    policy_text,
    schema_text,
    standing,
)

NAMES = st.from_regex(r"[a-z][a-z0-9-]{1,12}", fullmatch=True)
ROLE_SETS = st.lists(st.sampled_from(["owner", "admin", "member", "viewer"]), max_size=4)
ACTIONS = st.sampled_from(sorted({action for action, _ in engine().language.asked}))
OPEN = '\n@id("open") permit (principal, action, resource);'


@settings(deadline=None)
@given(NAMES, NAMES, ROLE_SETS, ACTIONS, st.booleans(), NAMES, st.lists(NAMES, max_size=3))
def test_another_organisation_is_never_allowed(
    own: str, other: str, roles: list[str], action: str, everywhere: bool, shop: str, brands: list[str]
) -> None:
    if own == other:
        other += "x"
    who = Member("ann", tuple(roles), frozenset() if everywhere else frozenset([*brands, shop]), all_brands=everywhere)
    for resource in (Resource("Brand", shop, other), Resource("Organisation", other, other)):
        # Each line alone: the core's own check, and Cedar's forbid without it, even when a policy permits everything.
        assert not authorize(engine(), standing(who, organisation=own), action, resource, SCOPES).allowed
        assert not engine().evaluate(own, who, action, resource, SCOPES).allowed
        assert not permissive().evaluate(own, who, action, resource, SCOPES).allowed


@cache
def permissive() -> Engine:
    return Engine(policy_text() + OPEN, schema_text())


def test_a_permit_of_everything_still_meets_the_forbids() -> None:
    assert permissive().evaluate("acme", member(), "chat.send", brand(), ()).allowed
    limited = member("owner", brands=frozenset({"club"}))
    refused = permissive().evaluate("acme", limited, "chat.send", brand(), ())
    assert (refused.cause, refused.policies) == (Cause.NOT_PERMITTED, ("isolation.brand",))


OVERFLOW = '\n@id("broken") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };'


def test_an_erroring_forbid_denies_where_cedar_alone_would_allow() -> None:
    broken = Engine(policy_text() + OVERFLOW, schema_text())
    decision = broken.evaluate("acme", member("owner"), "chat.send", brand(), SCOPES)
    assert decision.cause is Cause.POLICY_ERROR
    assert not decision.policies


class _Panic(BaseException):
    """What a panic of the engine looks like: no Exception."""


@pytest.mark.parametrize("failure", [ValueError, RuntimeError, KeyError, _Panic])
def test_an_exception_denies(failure: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(cedar, "is_authorized_batch", fail)
    assert engine().evaluate("acme", member("owner"), "chat.send", brand(), SCOPES).cause is Cause.POLICY_ERROR


@pytest.mark.parametrize(
    "answer",
    [
        {"decision": "NoDecision", "diagnostics": {"reason": [], "errors": []}},
        {"decision": "Allow", "diagnostics": {"reason": [], "errors": []}},
        {"decision": "Allow", "diagnostics": {"reason": ["policy0"], "errors": []}},
        {"decision": "Allow", "diagnostics": {"reason": ["policy0"], "errors": ["x"]}},
        {"decision": "Perhaps", "diagnostics": {}},
        {},
    ],
)
def test_an_odd_answer_denies(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cedar, "is_authorized_batch", lambda *_: [cedarpy.AuthzResult(answer)])
    assert engine().evaluate("acme", member("owner"), "chat.send", brand(), SCOPES).cause is Cause.POLICY_ERROR


def test_ids_are_data_not_syntax() -> None:
    for name in ('"} ; permit(principal,action,resource);', "a/b", '\\"', "Brand::x"):
        assert not engine().evaluate("acme", member("owner"), name, brand(), SCOPES).allowed
        assert not engine().evaluate("acme", member("viewer", user=name), "chat.send", brand(), SCOPES).allowed
    # "acme/x" with user "y" and "acme" with user "x/y" would be one entity id: organisations have no slash.
    assert not engine().evaluate("acme", member("owner"), "chat.send", brand("shop", "acme/sub"), SCOPES).allowed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "permit (principal, action, resource);",
        policy_text() + "\npermit (principal, action, resource);",
        policy_text() + '\n@id("role.owner") permit (principal, action, resource);',
        policy_text() + '\n@id("Bad Name") permit (principal, action, resource);',
        policy_text() + '\n@id("x") permit (principal, action, resource) when { principal.salary > 3 };',
        policy_text() + '\n@id("x") permit (principal, action == Action::"fly", resource);',
        policy_text() + '\n@id("x") permit (principal == ?principal, action, resource);',
        policy_text() + "\npermit (",
        policy_text().replace("isolation.brand", "isolation.brands"),
        policy_text().replace("forbid (principal, action, resource)", "permit (principal, action, resource)"),
    ],
)
def test_an_invalid_policy_set_never_becomes_an_engine(text: str) -> None:
    with pytest.raises(PolicyInvalidError):
        Engine(text, schema_text())


def test_an_invalid_schema_or_folder_is_a_start_up_error(tmp_path: Any) -> None:
    with pytest.raises(PolicyInvalidError):
        Engine(policy_text(), "entity User")
    with pytest.raises(SettingsError, match="tenancy_policies"):
        load_engine(tmp_path)
    (tmp_path / "schema.cedarschema").write_text(schema_text())
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    with pytest.raises(SettingsError, match="@id"):
        load_engine(tmp_path)


def test_the_version_follows_the_text() -> None:
    assert load_engine(POLICIES).version == engine().version
    assert permissive().version != engine().version
    assert len(engine().version) == 32
    assert engine().evaluate("acme", member("owner"), "keys.manage", organisation(), SCOPES).allowed
