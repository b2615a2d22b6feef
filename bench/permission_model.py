"""What Authorize should answer, written apart from it in plain Python: no Cedar, no code of the service.

The table of actions and the meaning of the default policies are written out by hand from their documentation; rules are
data that this module both understands and writes down as Cedar for the service.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ROLES = {
    "viewer": ("viewing",),
    "member": ("viewing", "using"),
    "admin": ("viewing", "using", "administering"),
    "owner": ("viewing", "using", "administering", "owning"),
}
EVERYWHERE = ("Organisation", "Brand")
# Action: its group, what it can be done on, the scope that it needs.
ACTIONS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "brands.read": ("viewing", EVERYWHERE, ""),
    "knowledge.read": ("viewing", ("Brand",), ""),
    "invoices.read": ("viewing", ("Brand",), ""),
    "chat.send": ("using", ("Brand",), ""),
    "tools.call": ("using", ("Brand",), ""),
    "orders.refund": ("administering", ("Brand",), ""),
    "tools.manage": ("administering", ("Organisation",), "tools.manage"),
    "recognizers.manage": ("administering", ("Organisation",), "recognizers.manage"),
    "keys.manage": ("administering", EVERYWHERE, "keys.manage"),
    "members.manage": ("administering", EVERYWHERE, "members.manage"),
    "brands.manage": ("administering", EVERYWHERE, "brands.manage"),
    "owners.manage": ("owning", ("Organisation",), "members.manage"),
    "policies.manage": ("owning", ("Organisation",), "policies.manage"),
    "chat.delete": ("", (), ""),
}
SCOPES = (
    "tools.manage",
    "recognizers.manage",
    "keys.manage",
    "members.manage",
    "brands.manage",
    "policies.manage",
    "reports",
)
LIMIT = 3600


class BrokenError(Exception):
    """A condition that cannot be evaluated."""


@dataclass(frozen=True)
class Person:
    """A member of an organisation, or with no roles at all somebody who is none."""

    user: str
    roles: tuple[str, ...]
    brands: frozenset[str] | None
    """None = all of them."""
    scopes: frozenset[str]
    methods: tuple[str, ...]
    age: int
    plan: str


@dataclass(frozen=True)
class Rule:
    """A policy of an organisation: `who` is a user, a role or "", `what` a brand, a type or ""."""

    name: str
    permit: bool
    who: str
    actions: tuple[str, ...]
    what: str
    conditions: tuple[tuple[str, str], ...]
    unless: bool
    step_up: bool

    def cedar(self, organisation: str) -> str:
        """The same rule for the service."""
        who = "principal"
        if self.who in ROLES:
            who = f'principal in Role::"{self.who}"'
        elif self.who:
            who = f'principal == User::"{organisation}/{self.who}"'
        actions = ", ".join(f'Action::"{action}"' for action in self.actions)
        action = f"action in [{actions}]" if actions else "action"
        what = "resource"
        if self.what in EVERYWHERE:
            what = f"resource is {self.what}"
        elif self.what:
            what = f'resource == Brand::"{organisation}/{self.what}"'
        said = " && ".join(_cedar(*condition, organisation) for condition in self.conditions)
        clause = f" {'unless' if self.unless else 'when'} {{ {said} }}" if said else ""
        step = "@step_up " if self.step_up else ""
        return f'@id("{self.name}") {step}{"permit" if self.permit else "forbid"} ({who}, {action}, {what}){clause};'

    def applies(self, person: Person, action: str, kind: str, name: str) -> bool:
        """Whether it has a say; raises BrokenError."""
        if self.who and self.who not in person.roles and self.who != person.user:
            return False
        if self.actions and not {action, ACTIONS[action][0]} & set(self.actions):
            return False
        if self.what and self.what not in (kind, name if kind == "Brand" else ""):
            return False
        holds = all(_holds(person, *condition) for condition in self.conditions)
        return not self.conditions or holds != self.unless


def answer(
    person: Person, rules: Sequence[Rule], action: str, kind: str, name: str, *, known: bool
) -> tuple[str, list[str]]:
    """The reason of an answer, NONE when it allows, and the policies that decided it."""
    group, kinds, _ = ACTIONS[action]
    if not known or kind not in kinds or person.brands == frozenset({"nobody"}):
        return "NOT_PERMITTED", []
    try:
        own = [rule for rule in rules if group != "owning" and rule.applies(person, action, kind, name)]
    except BrokenError:
        return "POLICY_ERROR", []
    forbids = [*_default_forbids(person, action, kind, name), *(rule.name for rule in own if not rule.permit)]
    permits = [f"role.{role}" for role in dict.fromkeys(person.roles) if group in ROLES[role]]
    permits += [rule.name for rule in own if rule.permit]
    if forbids:
        liftable = {rule.name for rule in own if rule.step_up}
        stepped = permits and liftable.issuperset(forbids)
        return "STEP_UP_REQUIRED" if stepped else "NOT_PERMITTED", sorted(forbids)
    return ("NONE", sorted(permits)) if permits else ("NOT_PERMITTED", [])


def _default_forbids(person: Person, action: str, kind: str, name: str) -> Iterator[str]:
    group, _, scope = ACTIONS[action]
    if kind == "Brand" and person.brands is not None and name not in person.brands:
        yield "isolation.brand"
    if kind == "Organisation" and person.brands is not None and group in ("administering", "owning"):
        yield "isolation.organisation-wide"
    if group == "owning" and "owner" not in person.roles:
        yield "isolation.owning"
    if scope and scope not in person.scopes:
        yield f"scope.{scope.replace('.', '-')}"


def _holds(person: Person, fact: str, value: str) -> bool:
    if fact == "broken":
        raise BrokenError
    return {
        "scope": value in person.scopes,
        "plan": value == person.plan,
        "method": value in person.methods,
        "recent": person.age <= LIMIT,
        "everywhere": person.brands is None,
        "reach": person.brands is not None and value in person.brands,
    }[fact]


def _cedar(fact: str, value: str, organisation: str) -> str:
    return {
        "broken": "9223372036854775807 + 1 == context.authentication.age",
        "scope": f'context.scopes.contains("{value}")',
        "plan": f'context.plan == "{value}"',
        "method": f'context.authentication.methods.contains("{value}")',
        "recent": f"context.authentication.age <= {LIMIT}",
        "everywhere": "principal.all_brands",
        "reach": f'principal.brands.contains(Brand::"{organisation}/{value}")',
    }[fact]


def random_rules(chance: random.Random, users: Sequence[str], brands: Sequence[str], count: int) -> list[Rule]:
    """Rules of every shape that the service accepts."""
    conditions = [
        *(("scope", scope) for scope in SCOPES),
        ("plan", "pro"),
        ("plan", "free"),
        ("method", "mfa"),
        ("recent", ""),
        ("everywhere", ""),
        *(("reach", brand) for brand in brands),
    ]
    names = [name for name, (group, _, _) in ACTIONS.items() if group] + ["viewing", "using", "administering", "owning"]
    rules: list[Rule] = []
    while len(rules) < count:
        permit = chance.random() < 0.5
        said = chance.sample(conditions, chance.choice((0, 0, 1, 1, 2)))
        if chance.random() < 0.02:
            said.append(("broken", ""))
        rule = Rule(
            f"rule-{len(rules)}",
            permit,
            chance.choice(["", *ROLES, *users]),
            tuple(chance.sample(names, chance.choice((0, 1, 1, 2, 3)))) if permit else (chance.choice(names),),
            chance.choice(["", "", *EVERYWHERE, *brands]),
            tuple(said),
            bool(said) and chance.random() < 0.4,
            not permit and chance.random() < 0.4,
        )
        if _possible(rule):
            rules.append(rule)
    return rules


def _possible(rule: Rule) -> bool:
    """What can never apply is refused by the schema."""
    kind = rule.what if rule.what in EVERYWHERE else "Brand"
    return any(
        kinds and (not rule.what or kind in kinds) and (not rule.actions or {name, group} & set(rule.actions))
        for name, (group, kinds, _) in ACTIONS.items()
    )
