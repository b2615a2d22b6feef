"""Reports of abuse: against whom they count, and what is held afterwards."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from services.kit.errors import Unavailable
from services.ratelimit.limiter import ADDRESS_SHARDS, address_subject
from services.ratelimit.policy.document import PolicyDocument
from services.ratelimit.policy.model import Identity, Level, Penalties
from services.ratelimit.policy.penalties import PROVEN, UNPROVEN, Culprit, Held, KindRule
from services.ratelimit.ports.penalties import Accused, PenaltyStore, Report

_KEY_ID = "key_"
EXTRACTION = "model_extraction"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is held against each subject that a report counts against."""

    held: list[tuple[Culprit | None, Held]] = field(default_factory=list)
    replayed: bool = False


class Abuse:
    """Counts reports. A kind that the policy does not list, or a policy without penalties, counts nothing."""

    def __init__(self, store: PenaltyStore, document: PolicyDocument) -> None:
        self._store = store
        self.adopt(document)

    def adopt(self, document: PolicyDocument) -> None:
        """From now on this policy weighs."""
        found = document.penalties
        self.rules: Penalties | None = found.compiled() if found else None
        self._kinds: dict[str, KindRule] = dict(found.kinds) if found else {}
        self._burst = found.near_queries.burst() if found and found.near_queries else None

    async def by_caller(self, identity: Identity, kind: str, event: str) -> Outcome:
        """Against the proven caller alone: no argument can name anybody else."""
        rule = self._kinds.get(kind)
        if rule is None or self.rules is None:
            return Outcome()
        accused = [one for one in proven(identity) if one.culprit in rule.against(PROVEN)]
        if not accused:
            return Outcome()
        held, replayed = await self._store.signal(accused, Report(kind, rule.millionths(), event), self.rules)
        return Outcome([(one.culprit, what) for one, what in zip(accused, held, strict=True)], replayed)

    async def by_address(self, address: str, key_prefix: str, kind: str, event: str) -> Outcome:
        """Against who proved nothing. A prefix that is tried from everywhere makes each further try weigh double on the
        address that makes it; it is never held against the key itself, whose owner may be the one attacked."""
        rule = self._kinds.get(kind)
        if rule is None or self.rules is None:
            return Outcome()
        weight, found, replayed = rule.millionths(), Outcome(), False
        against = rule.against(UNPROVEN)
        if key_prefix and Culprit.KEY_PREFIX in against:
            found, replayed = await self._against(prefix_of(key_prefix), Report(kind, weight, event))
            if found.held[0][1].level >= Level.LIMIT:
                weight *= 2
        if Culprit.ADDRESS in against:
            more, again = await self._against(address_of(address), Report(kind, weight, event))
            found, replayed = Outcome([*found.held, *more.held]), replayed or again
        return Outcome(found.held, replayed)

    async def _against(self, accused: Accused, report: Report) -> tuple[Outcome, bool]:
        if self.rules is None:
            raise Unavailable("policy")
        held, replayed = await self._store.signal([accused], report, self.rules)
        return Outcome([(accused.culprit, held[0])]), replayed

    async def by_name(self, accused: Accused, kind: str, event: str) -> Outcome:
        """Against a subject that an incident is about, as the audit service names it."""
        rule = self._kinds.get(kind)
        if rule is None or self.rules is None or accused.culprit is None or accused.culprit not in rule.subjects:
            return Outcome()
        found, replayed = await self._against(accused, Report(kind, rule.millionths(), event))
        return Outcome(found.held, replayed)

    async def by_query(self, identity: Identity, sketch: bytes) -> bool:
        """One question of the caller, as a sketch; True when it completes a burst of nearly equal ones."""
        rule = self._kinds.get(EXTRACTION)
        if rule is None or self.rules is None or self._burst is None or Culprit.USER_BRAND not in rule.against(PROVEN):
            return False
        accused = next(one for one in proven(identity) if one.culprit is Culprit.USER_BRAND)
        report = Report(EXTRACTION, rule.millionths(), "")
        _, reported = await self._store.query(accused, sketch, self._burst, report, self.rules)
        return reported

    async def held(self, identity: Identity) -> list[tuple[Culprit | None, Held]]:
        """What stands against a caller; subjects against which nothing does are left out."""
        if self.rules is None:
            return []
        accused = proven(identity)
        held = await self._store.held(accused, self.rules)
        found = [(one.culprit, what) for one, what in zip(accused, held, strict=True)]
        return [(culprit, what) for culprit, what in found if not what.nothing]


def proven(identity: Identity) -> list[Accused]:
    """The subjects of a proven caller that can be penalised."""
    found = [Accused(Culprit.USER_BRAND, identity.organisation, ("ub", identity.brand, identity.user))]
    if identity.credential_id.startswith(_KEY_ID):
        found.append(Accused(Culprit.API_KEY, identity.organisation, ("key", identity.credential_id)))
    return found


def address_of(address: str) -> Accused:
    """A client address, in the partition where it is counted."""
    subject = address_subject(address)
    return Accused(Culprit.ADDRESS, _shard(subject), ("addr", subject))


def prefix_of(digest: str) -> Accused:
    """The beginning of a key that was tried."""
    return Accused(Culprit.KEY_PREFIX, _shard(digest), ("kp", digest))


def _shard(subject: str) -> str:
    return f"addr:{zlib.crc32(subject.encode()) % ADDRESS_SHARDS}"
