"""What operators do: raise or lower a limit for a while, set counters to zero, forgive."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, Unavailable
from services.ratelimit.flows.abuse import address_of
from services.ratelimit.policy.document import LimitRule, PolicyDocument, check_amount
from services.ratelimit.policy.model import Algorithm, Override, Penalties, Subject
from services.ratelimit.policy.penalties import Culprit, Held
from services.ratelimit.ports import UnseededError
from services.ratelimit.ports.penalties import Accused, Counter, Grants, OwnTrail, PenaltyStore, TooManyOpenError

# Limits that a key brings along are named by what they count; they stand in no policy.
_OWN = re.compile(r"key\.(requests|tokens|micro_usd)\.\d{1,9}")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom an operator means; what does not apply is empty."""

    organisation: str = ""
    brand: str = ""
    user: str = ""
    api_key_id: str = ""
    client_address: str = ""
    model_or_tool: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What a reset has cleared."""

    counters: list[Counter] = field(default_factory=list)
    held: list[tuple[Culprit | None, Held]] = field(default_factory=list)


class Operating:
    """Grants and resets. Raises InvalidArgument naming what the policy does not have or what is missing."""

    def __init__(
        self, store: PenaltyStore, grants: Grants | None, trail: OwnTrail, document: PolicyDocument, clock: Clock
    ) -> None:
        self._store = store
        self._grants = grants
        self._trail = trail
        self._clock = clock
        self.adopt(document)

    def adopt(self, document: PolicyDocument) -> None:
        """From now on these limits are known."""
        self._rules = {rule.id: rule for rule in document.limits}
        self._penalties: Penalties | None = document.penalties.compiled() if document.penalties else None

    async def grant(self, organisation: str, limit_id: str, amount: int, seconds: float, why: str, by: str) -> Override:
        """Another amount for a limit of an organisation, for a while."""
        rule = self._known(limit_id)
        if rule.subject is Subject.ADDRESS:
            raise InvalidArgument.of("limit_id", f"{limit_id} is counted before the organisation is known")
        try:
            check_amount(rule, amount)
        except ValueError as error:
            raise InvalidArgument.of("limit", str(error)) from None
        override = Override(limit_id, amount, math.ceil(self._clock.now() + seconds))
        facts = {"limit": limit_id, "amount": str(amount), "seconds": str(math.ceil(seconds)), "why": why}
        if self._grants is None:
            raise Unavailable("postgres")
        await self._trail.put(organisation, "ratelimit.limit_granted", by, facts)
        await self._grants.grant(organisation, override, by)
        return override

    async def reset(self, target: Target, limit_id: str, by: str, *, penalty: bool) -> Done:
        """Sets a counter to zero, or forgives, or both; of one subject."""
        if not (limit_id or penalty):
            raise InvalidArgument.of("limit_id", "name a limit, or ask for the penalty to be wiped")
        accused = self._subject(target, limit_id)
        if penalty and accused.culprit is None:
            raise InvalidArgument.of("penalty", "what many share is never penalised: name a user, a key or an address")
        limits = [limit_id] if limit_id else []
        if target.organisation:
            subject = accused.culprit.value if accused.culprit else accused.name[0]
            facts = {"limit": limit_id, "subject": subject, "penalty": "wiped" if penalty else ""}
            facts |= {"user": target.user, "brand": target.brand, "key": target.api_key_id}
            await self._trail.put(target.organisation, "ratelimit.subject_reset", by, facts)
        rule = self._rules.get(limit_id)
        budget = rule is not None and rule.algorithm is Algorithm.CALENDAR
        held, counters = await self._cleared(accused, limits, wipe=penalty, budget=budget)
        return Done(counters, [(accused.culprit, held)] if penalty and not held.nothing else [])

    async def forgive(self, target: Target) -> list[tuple[Culprit | None, Held]]:
        """What an incident put on a subject is wiped; whoever takes it back has it on record."""
        accused = named(target)
        held, _ = await self._cleared(accused, [], wipe=True, budget=False)
        return [] if held.nothing else [(accused.culprit, held)]

    async def _cleared(
        self, accused: Accused, limits: list[str], *, wipe: bool, budget: bool
    ) -> tuple[Held, list[Counter]]:
        try:
            return await self._store.clear(accused, self._penalties, limits, wipe=wipe, budget=budget)
        except UnseededError:
            # What it would be set to zero from is in the ledger, which only the organisation's own proof can read.
            why = "the organisation's budgets are not in the store: ask again after its next request"
            raise FailedPrecondition("BUDGETS_NOT_READ", why) from None
        except TooManyOpenError:
            raise FailedPrecondition("TOO_MANY_OPEN", "too many reservations are open: ask again later") from None

    def _known(self, limit_id: str) -> LimitRule:
        rule = self._rules.get(limit_id)
        if rule is None:
            raise InvalidArgument.of("limit_id", f"the policy has no limit {limit_id}")
        return rule

    def _subject(self, target: Target, limit_id: str) -> Accused:
        if not limit_id or _OWN.fullmatch(limit_id):
            found = _culprit(target)
            if limit_id and found.culprit is not Culprit.API_KEY:
                raise InvalidArgument.of("api_key_id", f"{limit_id} is counted by API key")
            return found
        rule = self._known(limit_id)
        if rule.algorithm is Algorithm.LIVE:
            raise InvalidArgument.of("limit_id", f"{limit_id} counts what is in flight, which ends by itself")
        return _counted_by(rule.subject, target)


def named(target: Target) -> Accused:
    """The one subject of an incident; raises InvalidArgument unless it is exactly one that can be penalised."""
    if sum(map(bool, (target.user, target.api_key_id, target.client_address))) != 1:
        raise InvalidArgument.of("user", "exactly one of user, api_key_id and client_address")
    return _culprit(target)


def _needs(value: str, name: str) -> str:
    if not value:
        raise InvalidArgument.of(name, "is needed to say whose counter it is")
    return value


def _counted_by(subject: Subject, target: Target) -> Accused:
    """The subject whose counter it is."""
    if subject is Subject.ADDRESS:
        return address_of(_needs(target.client_address, "client_address"))
    organisation = _needs(target.organisation, "organisation")
    match subject:
        case Subject.USER_BRAND:
            name = ("ub", _needs(target.brand, "brand"), _needs(target.user, "user"))
            return Accused(Culprit.USER_BRAND, organisation, name)
        case Subject.API_KEY:
            return Accused(Culprit.API_KEY, organisation, ("key", _needs(target.api_key_id, "api_key_id")))
        case Subject.BRAND:
            return Accused(None, organisation, ("brand", _needs(target.brand, "brand")))
        case Subject.TOOL:
            return Accused(None, organisation, ("tool", _needs(target.model_or_tool, "model_or_tool")))
        case Subject.MODEL:
            return Accused(None, organisation, ("model", _needs(target.model_or_tool, "model_or_tool")))
        case _:
            return Accused(None, organisation, ("org",))


def _culprit(target: Target) -> Accused:
    """The one subject that is named, when no limit says which kind it is."""
    if target.client_address:
        return _counted_by(Subject.ADDRESS, target)
    if target.api_key_id:
        return _counted_by(Subject.API_KEY, target)
    if target.user:
        return _counted_by(Subject.USER_BRAND, target)
    return _counted_by(Subject.ORGANISATION, target)
