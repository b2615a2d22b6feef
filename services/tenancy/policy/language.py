"""What policies can speak of: the schema, its actions and their groups, and how facts become Cedar's entities."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from cedarpy import Decision as CedarDecision
from cedarpy import Entities, PolicySet, Schema, is_authorized

from services.tenancy.policy.model import Circumstances, Member, Resource

RESOURCE_TYPES = ("Organisation", "Brand")
"""Types that tenancy knows by itself; every other type of the schema has an owner, a brand and labels."""

_PEOPLE = frozenset({"User", "Role"})
_ENTITY = re.compile(r"^\s*entity\s+([A-Za-z][A-Za-z0-9_]*)", re.MULTILINE)

OWNING = "owning"
"""The group of actions that the defaults alone decide: no policy of an organisation widens, narrows or locks it."""

_PROBE = Member("probe", (), frozenset(), all_brands=False)


class Language:
    """A parsed schema; raises ValueError when it does not parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.schema = Schema.from_str(text)
        self.described = frozenset(_ENTITY.findall(text)) - _PEOPLE - {*RESOURCE_TYPES}
        self.types = self.described | {*RESOURCE_TYPES}
        self.groups = self._groups()
        self.asked = self._questions()
        self.fixed = frozenset(action for action, inside in self.groups.items() if OWNING in inside)

    def knows_roles(self, roles: Iterable[str]) -> bool:
        """Whether the schema has every one of these roles."""
        try:
            self.entities("probe", replace(_PROBE, roles=tuple(roles)), ())
        except ValueError:
            return False
        return True

    def entities(self, organisation: str, member: Member, resources: Collection[Resource]) -> Entities:
        """A member and what it asks about, checked against the schema; raises ValueError when they do not fit it."""
        known = [member_facts(organisation, member), *map(_resource, resources)]
        # The brand of a resource is there whatever else is asked about, so that no answer depends on that.
        known += [_resource(Resource("Brand", r.brand, r.organisation)) for r in resources if r.brand]
        distinct = {(entity["uid"]["type"], entity["uid"]["id"]): entity for entity in known}
        return Entities.from_json_str(json.dumps([*distinct.values()]), self.schema)

    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Every action with the groups it is in: read from entities, because a schema handle cannot be read."""
        known = json.loads(str(self.entities("probe", _PROBE, ())))
        return {
            entity["uid"]["id"]: tuple(parent["id"] for parent in entity["parents"])
            for entity in known
            if entity["uid"]["type"] == "Action"
        }

    def _questions(self) -> frozenset[tuple[str, str]]:
        """Which action goes with which type: found by asking."""
        found = set()
        for kind in (*RESOURCE_TYPES, *sorted(self.described)):
            probe = Resource(kind, "probe", "probe")
            entities = self.entities("probe", _PROBE, (probe,))
            for action in self.groups:
                asked = request("probe", _PROBE, action, probe, context(Circumstances()))
                answer = is_authorized(asked, PolicySet.from_str(""), entities, self.schema)
                if answer.decision is not CedarDecision.NoDecision:
                    found.add((action, kind))
        return frozenset(found)


def request(organisation: str, member: Member, action: str, resource: Resource, given: str) -> dict[str, Any]:
    """A question as Cedar takes it; `given` is what `context` made."""
    return {
        "principal": _uid("User", f"{organisation}/{member.user}"),
        "action": _uid("Action", action),
        "resource": _resource_uid(resource),
        "context": given,
    }


def context(given: Circumstances) -> str:
    """The circumstances in the terms of the schema."""
    return json.dumps(
        {
            "scopes": sorted(given.scopes),
            "brand": given.brand,
            "zone": given.zone,
            "plan": given.plan,
            "actor": given.actor,
            "authentication": {"acr": given.acr, "methods": sorted(set(given.amr)), "age": given.age},
        }
    )


def principal_keys(organisation: str, member: Member) -> tuple[str, ...]:
    """Under what a head can name a member."""
    return (f"User::{organisation}/{member.user}", *(f"Role::{role}" for role in member.roles))


def resource_keys(resource: Resource) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Under what a head can name a resource: its type and the attributes it has, which many share; then itself and
    whatever it is in."""
    known = _resource(resource)
    places = tuple(f"{uid['type']}::{uid['id']}" for uid in (known["uid"], *known["parents"]))
    return (resource.type, *(f"?{name}" for name in known["attrs"])), places


def member_facts(organisation: str, member: Member) -> dict[str, Any]:
    """A member as an entity: its attributes, and the roles it is in."""
    return {
        "uid": _uid("User", f"{organisation}/{member.user}"),
        "attrs": {
            "organisation": _reference("Organisation", organisation),
            "all_brands": member.all_brands,
            "brands": [_reference("Brand", f"{organisation}/{brand}") for brand in sorted(member.brands)],
        },
        "parents": [_uid("Role", role) for role in member.roles],
    }


def _resource(resource: Resource) -> dict[str, Any]:
    attributes: dict[str, Any] = {"organisation": _reference("Organisation", resource.organisation)}
    if resource.type not in RESOURCE_TYPES:
        attributes["labels"] = sorted(resource.labels)
        if resource.owner:
            attributes["owner"] = _reference("User", f"{resource.organisation}/{resource.owner}")
        if resource.brand:
            attributes["brand"] = _reference("Brand", f"{resource.organisation}/{resource.brand}")
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
