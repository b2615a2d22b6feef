"""Shared pieces of the tests of tenancy's core."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from services.tenancy.policy import Engine, Member, Resource, Standing, Status

POLICIES = Path(__file__).resolve().parents[3] / "policies" / "tenancy"
SCOPES = frozenset(
    {
        "knowledge.write",
        "keys.manage",
        "members.manage",
        "brands.manage",
        "tools.manage",
        "recognizers.manage",
        "policies.manage",
        "resources.write",
    }
)


def policy_text() -> str:
    return "\n".join(file.read_text() for file in sorted(POLICIES.glob("*.cedar")))


def schema_text() -> str:
    return (POLICIES / "schema.cedarschema").read_text()


@cache
def engine() -> Engine:
    return Engine(policy_text(), schema_text())


def member(*roles: str, brands: frozenset[str] | None = None, user: str = "ann") -> Member:
    return Member(user, roles, brands or frozenset(), all_brands=brands is None, joined_at=1_700_000_000.0)


def standing(who: Member | None, status: Status = Status.ACTIVE, organisation: str = "acme") -> Standing:
    return Standing(organisation, "pro", status, who)


def brand(name: str = "shop", organisation: str = "acme") -> Resource:
    return Resource("Brand", name, organisation)


def organisation(name: str = "acme") -> Resource:
    return Resource("Organisation", name, name)
