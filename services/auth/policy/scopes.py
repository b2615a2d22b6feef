"""The scope grammar, shared by keys and tokens, and what may be handed on."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_SCOPES = 64
# Powers of services over each other; no user's credential ever carries one, however it came about.
RESERVED = frozenset({"settle", "signal", "grant", "reset", "restore"})
# To see and end the sessions of other users; one's own need no scope.
SESSIONS_MANAGE = "sessions.manage"
# What an organisation's very first key can do: enough to set everything else up.
BOOTSTRAP = frozenset(
    {
        "chat",
        "keys.manage",
        "members.manage",
        "brands.manage",
        "subjects.revoke",
        SESSIONS_MANAGE,
        "decisions.explain",
        "knowledge.write",
        "resources.write",
        "resources.manage",
        "tools.manage",
        "recognizers.manage",
        "tools.approve",
        "policies.manage",
        "audit.read",
        "audit.erase",
        "incidents.manage",
    }
)

_SCOPE = re.compile(r"(?=.{1,64}\Z)[a-z]+(?:[._][a-z]+)*")


def well_formed(scope: str) -> bool:
    """Whether a text is a scope at all."""
    return _SCOPE.fullmatch(scope) is not None


def reserved(scope: str) -> bool:
    """Whether a scope is, or is below, one that no user may hold."""
    return re.split(r"[._]", scope, maxsplit=1)[0] in RESERVED


def may_hold(scope: str) -> bool:
    """Whether a user's credential may carry this scope."""
    return well_formed(scope) and not reserved(scope)


def not_grantable(wanted: Iterable[str], own: frozenset[str]) -> list[str]:
    """The scopes that somebody holding `own` cannot hand on, in order of asking."""
    return [scope for scope in wanted if scope not in own or not may_hold(scope)]


def granted(claimed: str, ceiling: frozenset[str]) -> frozenset[str]:
    """The scopes of a token's space-separated claim that its issuer may give."""
    return frozenset(scope for scope in claimed.split() if scope in ceiling and may_hold(scope))
