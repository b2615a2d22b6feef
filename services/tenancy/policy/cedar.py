"""Cedar behind one function: whatever is not a clean Allow is a refusal.

Cedar skips a `forbid` that fails to evaluate and may then still say Allow; so any diagnostics error denies here, as do
NoDecision, an exception, a panic of the engine, and an Allow that no policy accounts for. Policies and schema are
parsed and validated once; an invalid set never becomes an engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cedarpy import (
    AuthzResult,
    Entities,
    PolicySet,
    Schema,
    is_authorized,
    policies_to_json_str,
    validate_policies,
)
from cedarpy import (
    Decision as CedarDecision,
)

from services.tenancy.policy.model import Cause, Decision, Member, Resource, deny

_POLICY_ID = re.compile(r"[a-z][a-z0-9._-]{0,127}")
_ISOLATION = ("isolation.organisation", "isolation.brand")
_HANDLES = 1024  # parsed principals kept, each about 10 kB (130 kB with 256 brands); parsing one anew takes 30 us
_PROBE = Member("probe", (), frozenset(), all_brands=False)

RESOURCE_TYPES = ("Organisation", "Brand")
"""Types that the policies may speak of; whatever else is asked for is refused before any policy is read."""


class PolicyInvalidError(ValueError):
    """The policy set must not be used; the message names policies, never data of a tenant."""


class Engine:
    """An immutable, validated policy set."""

    def __init__(self, policies: str, schema: str) -> None:
        """Raises PolicyInvalidError when the text does not parse, fit the schema, or forbid what isolation needs."""
        try:
            self._schema = Schema.from_str(schema)
            self._policies = PolicySet.from_str(policies)
            checked = validate_policies(policies, schema)
            parsed = json.loads(policies_to_json_str(policies))
        except ValueError as error:
            raise PolicyInvalidError("policies or schema do not parse") from error
        if not checked.validation_passed:
            raise PolicyInvalidError(
                "; ".join(error.error for error in checked.errors[:3]) or "policies do not validate"
            )
        _check_names(parsed)
        self.version = hashlib.sha256(f"{schema}\0{policies}".encode()).hexdigest()[:32]
        # Keyed by the facts themselves: changed facts are another key, so nothing has to be invalidated.
        self._principal = lru_cache(maxsize=_HANDLES)(self._parse_principal)
        self._facts = lru_cache(maxsize=_HANDLES)(self._parse_facts)
        self._asked = self._questions()

    def knows_roles(self, roles: Iterable[str]) -> bool:
        """Whether the schema has every one of these roles."""
        try:
            self._parse_principal("probe", replace(_PROBE, roles=tuple(roles)))
        except ValueError:
            return False
        return True

    def evaluate(
        self, organisation: str, member: Member, action: str, resource: Resource, scopes: Iterable[str]
    ) -> Decision:
        """May `member` of `organisation` do `action` on `resource`? Never raises."""
        if (action, resource.type) not in self._asked:  # the schema has no such question
            return deny(Cause.NOT_PERMITTED)
        try:
            return _decision(self._ask(organisation, member, action, resource, scopes))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of the engine is no Exception, and must deny as well
            return deny(Cause.POLICY_ERROR)

    def _ask(
        self, organisation: str, member: Member, action: str, resource: Resource, scopes: Iterable[str]
    ) -> AuthzResult:
        request = {
            "principal": _uid("User", f"{organisation}/{member.user}"),
            "action": _uid("Action", action),
            "resource": _resource_uid(resource),
            "context": {"scopes": sorted(scopes)},
        }
        return is_authorized(request, self._policies, self._facts(organisation, member, resource), self._schema)

    def _questions(self) -> frozenset[tuple[str, str]]:
        """Which action goes with which type: found by asking, because Cedar's schema handle cannot be read."""
        known = json.loads(str(self._parse_principal("probe", _PROBE)))
        actions = [entity["uid"]["id"] for entity in known if entity["uid"]["type"] == "Action"]
        return frozenset(
            (action, kind)
            for action in actions
            for kind in RESOURCE_TYPES
            if self._ask("probe", _PROBE, action, Resource(kind, "probe", "probe"), ()).decision
            is not CedarDecision.NoDecision
        )

    def _parse_facts(self, organisation: str, member: Member, resource: Resource) -> Entities:
        described = json.dumps([_resource(resource)])
        return self._principal(organisation, member).with_added_json_str(described, self._schema)

    def _parse_principal(self, organisation: str, member: Member) -> Entities:
        user = {
            "uid": _uid("User", f"{organisation}/{member.user}"),
            "attrs": {
                "organisation": _reference("Organisation", organisation),
                "all_brands": member.all_brands,
                "brands": [_reference("Brand", f"{organisation}/{brand}") for brand in sorted(member.brands)],
            },
            "parents": [_uid("Role", role) for role in member.roles],
        }
        return Entities.from_json_str(json.dumps([user]), self._schema)


def _decision(answer: AuthzResult) -> Decision:
    outcome, diagnostics = answer.decision, answer.diagnostics
    if diagnostics.errors or outcome not in (CedarDecision.Allow, CedarDecision.Deny):
        return deny(Cause.POLICY_ERROR)
    names = diagnostics.id_annotations_by_reason
    policies = tuple(sorted(names[reason] for reason in diagnostics.reasons))
    if outcome is not CedarDecision.Allow:
        return deny(Cause.NOT_PERMITTED, policies)
    if not policies:
        return deny(Cause.POLICY_ERROR)
    return Decision(allowed=True, cause=Cause.NONE, policies=policies)


def _check_names(parsed: dict[str, Any]) -> None:
    if parsed.get("templates") or parsed.get("templateLinks"):
        raise PolicyInvalidError("policy templates are not used here")
    effects: dict[str, str] = {}
    for policy in parsed["staticPolicies"].values():
        name = policy.get("annotations", {}).get("id") or ""
        if not _POLICY_ID.fullmatch(name) or name in effects:
            raise PolicyInvalidError("every policy needs an @id of its own")
        effects[name] = policy["effect"]
    missing = [name for name in _ISOLATION if effects.get(name) != "forbid"]
    if missing:
        raise PolicyInvalidError(f"the policy set must forbid: {', '.join(missing)}")


def _resource(resource: Resource) -> dict[str, Any]:
    attributes = {"organisation": _reference("Organisation", resource.organisation)}
    return {"uid": _resource_uid(resource), "attrs": attributes, "parents": []}


def _resource_uid(resource: Resource) -> dict[str, str]:
    # The organisation is part of every id but its own: the same name in two organisations is two entities.
    if resource.type == "Organisation":
        return _uid("Organisation", resource.id)
    return _uid(resource.type, f"{resource.organisation}/{resource.id}")


def _uid(kind: str, identifier: str) -> dict[str, str]:
    return {"type": kind, "id": identifier}


def _reference(kind: str, identifier: str) -> dict[str, dict[str, str]]:
    return {"__entity": _uid(kind, identifier)}
