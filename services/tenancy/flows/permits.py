"""May the caller manage this, now? On facts read for this question, never remembered ones."""

from __future__ import annotations

from typing import NoReturn

from services.kit import pages
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument, PermissionDenied
from services.tenancy.flows.given import circumstances
from services.tenancy.flows.policysets import PolicySets
from services.tenancy.policy import Cause, Resource, Standing, authorize
from services.tenancy.ports import TenancyStore

_MESSAGES = {
    Cause.ORGANISATION_SUSPENDED: "the organisation is suspended",
    Cause.NOT_PERMITTED: "this caller has no permission to do that",
    Cause.POLICY_ERROR: "the permission could not be evaluated, which denies",
    Cause.STEP_UP_REQUIRED: "this needs a stronger or more recent authentication",
}


class Permits:
    """Permission to manage the caller's organisation."""

    def __init__(self, store: TenancyStore, sets: PolicySets, clock: Clock) -> None:
        self._store = store
        self._sets = sets
        self._clock = clock

    async def permitted(self, caller: Caller, *actions: str) -> Standing:
        """The caller's standing; raises PermissionDenied unless it may do every one of these."""
        standing = (await self._store.facts(caller)).standing
        own = Resource("Organisation", caller.organisation, caller.organisation)
        engine = await self._sets.engine(caller, standing)
        given = circumstances(caller, standing, self._clock.now())
        for action in actions:
            decision = authorize(engine, standing, action, own, given)
            if not decision.allowed:
                refuse(decision.cause)
        if standing is None:
            refuse(Cause.NOT_PERMITTED)
        return standing

    def manages_owners(self, caller: Caller, standing: Standing) -> bool:
        """What belongs to owners is decided by the defaults alone."""
        own = Resource("Organisation", caller.organisation, caller.organisation)
        given = circumstances(caller, standing, self._clock.now())
        return authorize(self._sets.defaults, standing, "owners.manage", own, given).allowed

    def check_roles(self, roles: tuple[str, ...], field: str) -> None:
        """Raises InvalidArgument for a role that the policies do not know."""
        if not roles or not self._sets.defaults.knows_roles(roles):
            raise InvalidArgument.of(field, "one or more, and each must be a role of the policy")


def refuse(cause: Cause) -> NoReturn:
    """Says why a method of management does not do what was asked."""
    raise PermissionDenied(_MESSAGES[cause], reason=cause.name)


def after(kind: str, token: str) -> str:
    """Where a page begins; raises InvalidArgument."""
    try:
        return pages.decode(kind, token)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be a token of this list") from None
