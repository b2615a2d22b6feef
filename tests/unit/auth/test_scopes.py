"""Scopes: the grammar, the reserved ones, and what may be handed on."""

from __future__ import annotations

import pytest

from services.auth.policy import scopes


@pytest.mark.parametrize("scope", ["settle", "signal", "grant", "reset", "restore", "restore.all", "reset.x.y"])
def test_reserved_scopes_are_nobodys(scope: str) -> None:
    assert not scopes.may_hold(scope)
    assert scopes.not_grantable([scope], frozenset({scope})) == [scope]
    assert scopes.granted(f"chat {scope}", frozenset({"chat", scope})) == {"chat"}


@pytest.mark.parametrize("scope", ["", "Chat", "chat.", ".chat", "chat..x", "chat x", "chat\n", "a" * 65, "chät"])
def test_not_a_scope(scope: str) -> None:
    assert not scopes.may_hold(scope)
    assert scopes.not_grantable([scope], frozenset({scope})) == [scope]


@pytest.mark.parametrize("scope", sorted(scopes.BOOTSTRAP))
def test_what_the_first_key_holds_may_be_held(scope: str) -> None:
    assert scopes.may_hold(scope)


def test_nobody_hands_on_more_than_they_hold() -> None:
    own = frozenset({"chat", "keys.manage"})
    assert scopes.not_grantable(["chat"], own) == []
    assert scopes.not_grantable(["chat", "audit.read"], own) == ["audit.read"]
    assert scopes.not_grantable(["keys"], own) == ["keys"]
    assert scopes.not_grantable(["chat"], frozenset()) == ["chat"]


def test_a_token_gets_what_it_claims_within_its_issuers_ceiling() -> None:
    ceiling = frozenset({"chat", "audit.read"})
    assert scopes.granted("openid chat profile", ceiling) == {"chat"}
    assert scopes.granted("keys.manage", ceiling) == frozenset()
    assert scopes.granted("", ceiling) == frozenset()
