"""Random organisations, policies and rows, on which a plan and a check are held against each other.

Policies come from a small grammar of Cedar that goes beyond what a filter can say: arithmetic, other entities, sets
compared whole. Whoever runs these knows for each row what the plan chose and what the check allowed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cedarpy import validate_policies

from services.tenancy.policy import Engine, Member, Resource, Standing, Status
from services.tenancy.policy.index import Index
from services.tenancy.policy.model import Circumstances
from services.tenancy.policy.statement import parsed, policy_of

POLICIES = Path(__file__).resolve().parents[1] / "policies" / "tenancy"
ORG, OTHER = "acme", "globex"
USERS, BRANDS, LABELS = ("ann", "bob", "eve"), ("shop", "club", "lab"), ("red", "blue", "private", "restricted")
ACTIONS = ("document.read", "resources.read", "knowledge.write", "resources.write")
ROLES = ("viewer", "member", "admin", "owner")
SCOPES = ("resources.write", "knowledge.write")
_LEAVES = (
    'resource.labels.contains("{label}")',
    'resource.labels.containsAny(["{label}", "{label2}"])',
    'resource.labels.containsAll(["{label}", "{label2}"])',
    '["{label}", "{label2}"].containsAny(resource.labels)',
    '["{label}", "{label2}"].containsAll(resource.labels)',
    "resource.labels.isEmpty()",
    'resource.labels == ["{label}"]',
    "resource has owner",
    "resource has brand",
    "(resource has owner && resource.owner == principal)",
    "(resource has owner && resource.owner != principal)",
    '(resource has owner && resource.owner == User::"acme/{user}")',
    '(resource has owner && resource.owner == User::"globex/{user}")',
    '(resource has owner && [User::"acme/{user}", User::"acme/{user2}"].contains(resource.owner))',
    '(resource has owner && resource.owner in Role::"{role}")',
    '(resource has brand && resource.brand == Brand::"acme/{brand}")',
    "(resource has brand && principal.brands.contains(resource.brand))",
    "(resource has brand && resource.brand.organisation == principal.organisation)",
    'resource == Document::"acme/d{number}"',
    'resource in Document::"acme/d{number}"',
    'resource in [Document::"acme/d{number}", Document::"globex/d1"]',
    "resource is Document",
    'resource.organisation == Organisation::"acme"',
    "principal.all_brands",
    'principal in Role::"{role}"',
    'principal == User::"acme/{user}"',
    'principal.brands.contains(Brand::"acme/{brand}")',
    'context.scopes.contains("{scope}")',
    'context.brand == "{brand}"',
    'context.plan like "p*o"',
    "context.authentication.age < 600",
    "context.authentication.age + 9223372036854775000 > 5",
    'context.authentication.methods.containsAll(["otp"])',
    "true",
    "false",
)


@dataclass(frozen=True)
class Case:
    """One caller, one question, and rows of which some are of another organisation."""

    engine: Engine
    standing: Standing
    action: str
    given: Circumstances
    rows: Sequence[Resource]


@cache
def defaults() -> Engine:
    """The shipped policies."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(POLICIES.glob("*.cedar"))]
    return Engine("\n".join(texts), (POLICIES / "schema.cedarschema").read_text(encoding="utf-8"))


def case(seed: int, rows: int = 8) -> Case:
    """The same case for the same seed."""
    draw = random.Random(seed)
    own = Index()
    for number in range(draw.choice((0, 1, 2, 4, 8))):
        text = _policy(draw, number)
        if validate_policies(text, defaults().language.text).validation_passed:
            own.add([policy_of(parsed(text), text)])
    brands = frozenset(draw.sample(BRANDS, draw.randint(0, 2)))
    everywhere = draw.random() < 0.4
    roles = tuple(draw.sample(ROLES, draw.choice((0, 1, 1, 1, 2))))
    member = Member(draw.choice(USERS), roles, frozenset() if everywhere else brands, everywhere)
    given = Circumstances(
        scopes=frozenset(draw.sample(SCOPES, draw.randint(0, 2))),
        brand=draw.choice(BRANDS),
        plan=draw.choice(("pro", "free")),
        amr=draw.choice(((), ("otp",))),
        age=draw.choice((10, 3600)),
    )
    standing = Standing(ORG, given.plan, Status.SUSPENDED if draw.random() < 0.02 else Status.ACTIVE, member)
    found = [_row(draw, number) for number in range(rows)]
    return Case(defaults().with_own(1, own), standing, draw.choice(ACTIONS), given, found)


def _row(draw: random.Random, number: int) -> Resource:
    return Resource(
        "Document",
        f"d{number}",
        ORG if draw.random() < 0.9 else OTHER,
        draw.choice(("", *USERS)),
        draw.choice(("", *BRANDS)),
        frozenset(draw.sample(LABELS, draw.choice((0, 0, 1, 2)))),
    )


def _policy(draw: random.Random, number: int) -> str:
    who = draw.choice(("principal", 'principal == User::"acme/ann"', f'principal in Role::"{draw.choice(ROLES)}"'))
    what = draw.choice(("action", 'action in Action::"viewing"', f'action == Action::"{draw.choice(ACTIONS)}"'))
    which = draw.choice(
        ("resource is Document", "resource is Document", f'resource == Document::"acme/d{draw.randint(0, 7)}"')
    )
    clauses = "\n".join(
        f"{draw.choice(('when', 'unless'))} {{ {_condition(draw, 0)} }}" for _ in range(draw.choice((0, 1, 1, 2)))
    )
    return f'@id("own.p{number}") {draw.choice(("permit", "permit", "forbid"))} ({who}, {what}, {which})\n{clauses};'


def _condition(draw: random.Random, depth: int) -> str:
    if depth > 2 or draw.random() < 0.4:
        return draw.choice(_LEAVES).format(
            label=draw.choice(LABELS), label2=draw.choice(LABELS), user=draw.choice(USERS), user2=draw.choice(USERS),
            role=draw.choice(ROLES), brand=draw.choice(BRANDS), number=draw.randint(0, 7), scope=draw.choice(SCOPES),
        )  # fmt: skip
    one, two, three = (_condition(draw, depth + 1) for _ in range(3))
    return draw.choice((f"({one} && {two})", f"({one} || {two})", f"!({one})", f"(if {one} then {two} else {three})"))
