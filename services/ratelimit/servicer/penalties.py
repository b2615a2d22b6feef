"""The part of the servicer that has to do with penalties, grants and resets; translates, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb

from services.kit.caller import Caller, current_caller, current_workload
from services.ratelimit.flows.abuse import EXTRACTION, Abuse
from services.ratelimit.flows.operating import Operating, Target, named
from services.ratelimit.policy.learning import Estimator
from services.ratelimit.policy.model import Decision, Identity, Level, Override
from services.ratelimit.policy.penalties import Culprit, Held
from services.ratelimit.ports.penalties import Counter

_LEVELS = {
    Level.NONE: pb.PENALTY_LEVEL_UNSPECIFIED,
    Level.WARN: pb.PENALTY_LEVEL_WARN,
    Level.SLOW: pb.PENALTY_LEVEL_SLOW,
    Level.LIMIT: pb.PENALTY_LEVEL_LIMIT,
    Level.SUSPEND: pb.PENALTY_LEVEL_SUSPEND,
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What the service does beside deciding."""

    abuse: Abuse
    operating: Operating
    learned: Estimator


class PenaltyPart:
    """Signal, SignalAddress, Grant, Reset."""

    _beside: Beside

    async def Signal(self, request: pb.SignalRequest, _context: Any) -> pb.SignalResponse:
        """A report against the proven caller."""
        abuse, identity = self._beside.abuse, identity_of(current_caller())
        if request.sketch and request.kind == EXTRACTION:
            return pb.SignalResponse(burst=await abuse.by_query(identity, request.sketch))
        found = await abuse.by_caller(identity, request.kind, request.event_id)
        return pb.SignalResponse(penalties=self._shown(found.held), replayed=found.replayed)

    async def SignalAddress(self, request: pb.SignalAddressRequest, _context: Any) -> pb.SignalAddressResponse:
        """A report against an address, and a key prefix."""
        found = await self._beside.abuse.by_address(
            request.client_address, request.key_prefix, request.kind, request.event_id
        )
        return pb.SignalAddressResponse(penalties=self._shown(found.held), replayed=found.replayed)

    async def PenaliseSubject(self, request: pb.PenaliseSubjectRequest, _context: Any) -> pb.PenaliseSubjectResponse:
        """For the audit service: whom an incident is about."""
        found = await self._beside.abuse.by_name(named(_target(request)), request.kind, request.event_id)
        return pb.PenaliseSubjectResponse(penalties=self._shown(found.held), replayed=found.replayed)

    async def ForgiveSubject(self, request: pb.ForgiveSubjectRequest, _context: Any) -> pb.ForgiveSubjectResponse:
        """The way back."""
        held = await self._beside.operating.forgive(_target(request))
        return pb.ForgiveSubjectResponse(penalties=self._shown(held))

    async def Grant(self, request: pb.GrantRequest, _context: Any) -> pb.GrantResponse:
        """Another amount for a while; in force here at once, elsewhere within seconds."""
        seconds = request.ttl.seconds + request.ttl.nanos / 1e9
        override = await self._beside.operating.grant(
            request.organisation, request.limit_id, request.limit, seconds, request.reason_code, current_workload().name
        )
        return pb.GrantResponse(granted=granted(override))

    async def Reset(self, request: pb.ResetRequest, _context: Any) -> pb.ResetResponse:
        """Counters to zero, penalties forgiven."""
        target = Target(
            organisation=request.organisation,
            brand=request.brand,
            user=request.user,
            api_key_id=request.api_key_id,
            client_address=request.client_address,
            model_or_tool=request.model_or_tool,
        )
        done = await self._beside.operating.reset(
            target, request.limit_id, current_workload().name, penalty=request.penalty
        )
        return pb.ResetResponse(
            limits=[_cleared(counter) for counter in done.counters], penalties=self._shown(done.held)
        )

    def _standing_penalty(self, decision: Decision) -> pb.Penalty | None:
        """The hardest that stands against a caller; what was counted, Inspect says."""
        found = decision.penalty
        if found is None or not found.level:
            return None
        rules = self._beside.abuse.rules
        held = Held(found.score, decision.now_us // 1000, level=found.level, until_ms=found.until_us // 1000)
        return penalty(found.subject.value, held, observed=rules is not None and not rules.enforced)

    def _shown(self, held: Iterable[tuple[Culprit | None, Held]]) -> list[pb.Penalty]:
        rules = self._beside.abuse.rules
        observed = rules is not None and not rules.enforced
        return [penalty(culprit.value, what, observed=observed) for culprit, what in held if culprit is not None]


def _target(request: pb.PenaliseSubjectRequest | pb.ForgiveSubjectRequest) -> Target:
    return Target(
        organisation=request.organisation,
        brand=request.brand,
        user=request.user,
        api_key_id=request.api_key_id,
        client_address=request.client_address,
    )


def identity_of(caller: Caller) -> Identity:
    """The proven caller, as far as limits are concerned."""
    return Identity(
        caller.organisation,
        caller.plan,
        caller.credential_id,
        caller.subject,
        caller.brand,
        caller.limits,
        caller.zone,
        caller.account_created,
    )


def penalty(subject: str, held: Held, *, observed: bool) -> pb.Penalty:
    """What is held against one subject."""
    counts = [pb.PenaltyCount(kind=kind, count=count) for kind, count in sorted(held.counts.items())]
    return pb.Penalty(
        subject=subject,
        level=_LEVELS[held.level],
        until=_instant_ms(held.until_ms) if held.level else None,
        score_permille=held.score // 1000,
        strikes=held.strikes,
        counts=counts,
        observed=observed,
    )


def granted(override: Override) -> pb.Granted:
    """A grant."""
    return pb.Granted(
        limit_id=override.limit_id, limit=override.amount, expires_at=Timestamp(seconds=override.expires_at)
    )


def _cleared(counter: Counter) -> pb.Cleared:
    whole = Duration(seconds=counter.whole_in_ms // 1000, nanos=counter.whole_in_ms % 1000 * 1_000_000)
    return pb.Cleared(
        limit_id=counter.limit_id, used_before=counter.used, whole_in=whole if counter.whole_in_ms else None
    )


def _instant_ms(millis: int) -> Timestamp:
    return Timestamp(seconds=millis // 1000, nanos=millis % 1000 * 1_000_000)
