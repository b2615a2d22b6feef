"""The decisions, over facts that were already read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.tenancy.policy.cedar import Engine
from services.tenancy.policy.model import (
    OWNER_ROLE,
    Brand,
    Cause,
    Circumstances,
    Decision,
    Member,
    Resolved,
    Resource,
    Standing,
    Status,
    deny,
)


def authorize(
    engine: Engine,
    standing: Standing | None,
    action: str,
    resource: Resource | None,
    given: Circumstances | Iterable[str],
) -> Decision:
    """May the caller do this? A resource that nothing resolved and one of somebody else are one answer."""
    return authorize_all(engine, standing, [(action, resource)], given)[0]


def authorize_all(
    engine: Engine,
    standing: Standing | None,
    questions: Sequence[tuple[str, Resource | None]],
    given: Circumstances | Iterable[str],
) -> list[Decision]:
    """The same for several questions of one caller."""
    refused = barred(standing)
    if refused is not None or standing is None or standing.member is None:
        return [refused or deny(Cause.NOT_PERMITTED)] * len(questions)
    # Isolation does not hang on policy text alone: this line stands even if every policy were wrong.
    own = [(a, r) for a, r in questions if r is not None and r.organisation == standing.organisation]
    answers = iter(engine.evaluate_all(standing.organisation, standing.member, own, given))
    return [
        next(answers) if r is not None and r.organisation == standing.organisation else deny(Cause.NOT_PERMITTED)
        for _, r in questions
    ]


def resolve(standing: Standing | None, brand: Brand | None) -> Resolved:
    """The principal of a credential. `brand` is what the store found among the brands of the organisation."""
    refused = barred(standing)
    if refused is not None or standing is None or standing.member is None:
        return Resolved(refused or deny(Cause.NOT_PERMITTED))
    if brand is None or not standing.member.may_use(brand.brand):
        return Resolved(deny(Cause.NOT_PERMITTED))
    return Resolved(
        Decision(allowed=True, cause=Cause.NONE),
        brand=brand.brand,
        zone=brand.zone or "UTC",
        plan=standing.plan,
        joined_at=standing.member.joined_at,
        roles=standing.member.roles,
    )


def barred(standing: Standing | None) -> Decision | None:
    """The refusal of a caller that no policy is asked about; None when policies decide."""
    if standing is None:
        return deny(Cause.NOT_PERMITTED)
    if standing.status is not Status.ACTIVE:
        return deny(Cause.ORGANISATION_SUSPENDED)
    if standing.member is None:
        return deny(Cause.NOT_PERMITTED)
    return None


def touches_owner(before: Member | None, after: Member | None) -> bool:
    """Whether a change makes, changes or removes an owner; only who manages owners may do that."""
    return any(member is not None and OWNER_ROLE in member.roles for member in (before, after))


def leaves_no_owner(owners: frozenset[str], user: str, after: Member | None) -> bool:
    """Whether a change would take the last owner who reaches the whole organisation."""
    stays = after is not None and OWNER_ROLE in after.roles and after.all_brands and not after.suspended
    return user in owners and not stays and owners == {user}


def locate(organisation: str, kind: str, identifier: str, brands: frozenset[str]) -> Resource | None:
    """The resource, when the caller's own organisation has it; `brands` are those that the store found there."""
    if kind == "Organisation" and identifier == organisation:
        return Resource(kind, identifier, organisation)
    if kind == "Brand" and identifier in brands:
        return Resource(kind, identifier, organisation)
    return None
