"""Translates between the contract and the limiter; decides nothing."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.common.v1 import decision_pb2 as common
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc

from services.kit.caller import current_caller, current_workload
from services.ratelimit.limiter import Limiter, Request
from services.ratelimit.policy import Decision, Mode, Outcome, Reason, Standing, Unit
from services.ratelimit.policy.headers import header_fields
from services.ratelimit.ports import Addition, Reservation, Settled, Use
from services.ratelimit.servicer.penalties import Beside, PenaltyPart, granted, identity_of

_OUTCOMES = {
    Outcome.ALLOW: common.OUTCOME_ALLOW,
    Outcome.DENY: common.OUTCOME_DENY,
    Outcome.CHALLENGE: common.OUTCOME_CHALLENGE,
    Outcome.THROTTLE: common.OUTCOME_THROTTLE,
}
_REASONS = {
    Reason.NONE: common.REASON_NONE,
    Reason.RATE_LIMITED: common.REASON_RATE_LIMITED,
    Reason.BUDGET_EXHAUSTED: common.REASON_BUDGET_EXHAUSTED,
    Reason.NEVER_FITS: common.REASON_NEVER_FITS,
    Reason.ADDRESS_OVER_LIMIT: common.REASON_ADDRESS_OVER_LIMIT,
    Reason.UNKNOWN_MODEL: common.REASON_UNKNOWN_MODEL,
    Reason.PENALISED: common.REASON_PENALISED,
}
_UNITS = {
    Unit.REQUESTS: pb.UNIT_REQUESTS,
    Unit.TOKENS: pb.UNIT_TOKENS,
    Unit.MICRO_USD: pb.UNIT_MICRO_USD,
    Unit.CONCURRENCY: pb.UNIT_CONCURRENCY,
}
_SETTLEMENTS = {
    Settled.UNKNOWN: pb.SETTLEMENT_NOT_FOUND,
    Settled.APPLIED: pb.SETTLEMENT_APPLIED,
    Settled.ALREADY: pb.SETTLEMENT_ALREADY,
    Settled.EXPIRED: pb.SETTLEMENT_EXPIRED,
}


class RateLimitServicer(PenaltyPart, pb_grpc.RateLimitServiceServicer):
    """Serves decisions and settlements, penalties, grants and resets."""

    def __init__(self, limiter: Limiter, beside: Beside) -> None:
        self._limiter = limiter
        self._beside = beside

    async def DecideAddress(self, request: pb.DecideAddressRequest, _context: Any) -> pb.DecideAddressResponse:
        """Counts one request of a client address."""
        decision = await self._limiter.decide_address(request.client_address)
        return pb.DecideAddressResponse(
            outcome=_OUTCOMES[decision.outcome],
            reason=_REASONS[decision.reason],
            retry_after=_wait(decision.retry_after_us),
            degraded=decision.degraded,
            policy_version=self._limiter.version,
            penalty=self._standing_penalty(decision),
        )

    async def Decide(self, request: pb.DecideRequest, _context: Any) -> pb.DecideResponse:
        """All limits and budgets of the proven caller at once."""
        cost, caller = request.cost, current_caller()
        mode = Mode(request.mode)
        most = max(cost.output_tokens, cost.max_output_tokens)
        output = cost.output_tokens
        if mode is Mode.RESERVE:
            output = self._beside.learned.estimate(caller.organisation, cost.model, output)
        wanted = Request(
            mode=mode,
            id=request.request_id,
            requests=cost.requests,
            input_tokens=cost.input_tokens,
            output_tokens=cost.output_tokens,
            model=cost.model,
            hold_us=_micros(request.hold_ttl),
            tool=request.tool,
            max_output_tokens=most,
            usual_output_tokens=output,
        )
        decision = await self._limiter.decide(identity_of(caller), current_workload().name, wanted)
        reserved = mode is Mode.RESERVE and decision.outcome is Outcome.ALLOW and decision.expires_us > 0
        return pb.DecideResponse(
            outcome=_OUTCOMES[decision.outcome],
            reason=_REASONS[decision.reason],
            limits=_statuses(decision),
            retry_after=_wait(decision.retry_after_us),
            reservation=request.request_id if reserved else "",
            reservation_expires_at=_instant(decision.expires_us) if reserved else None,
            degraded=decision.degraded,
            policy_version=self._limiter.version,
            micro_usd=decision.micro_usd,
            penalty=self._standing_penalty(decision),
            header_fields=header_fields(decision),
            reserved_output_tokens=output if reserved else 0,
        )

    async def Commit(self, request: pb.CommitRequest, _context: Any) -> pb.CommitResponse:
        """Settles a reservation at what was used."""
        reservation = _reservation(request.reservation)
        used = request.used
        settled, micro_usd = await self._limiter.commit(reservation, _use(used), used.model)
        if settled is Settled.APPLIED:
            self._beside.learned.note(reservation.organisation, used.model, used.output_tokens)
        return pb.CommitResponse(settlement=_SETTLEMENTS[settled], micro_usd=micro_usd)

    async def Release(self, request: pb.ReleaseRequest, _context: Any) -> pb.ReleaseResponse:
        """Gives a reservation back."""
        reservation = _reservation(request.reservation)
        settled = await self._limiter.release(reservation, keep_requests=request.keep_requests)
        return pb.ReleaseResponse(settlement=_SETTLEMENTS[settled])

    async def Extend(self, request: pb.ExtendRequest, _context: Any) -> pb.ExtendResponse:
        """Adds to a live reservation and renews its life."""
        identity = identity_of(current_caller())
        reservation = _reservation(request.reservation)
        more = Addition(_use(request.more), _micros(request.hold_ttl), request.request_id)
        decision = await self._limiter.extend(identity, reservation, more, request.more.model)
        return pb.ExtendResponse(
            outcome=_OUTCOMES[decision.outcome],
            reason=_REASONS[decision.reason],
            limits=_statuses(decision),
            reservation_expires_at=_instant(decision.expires_us),
            retry_after=_wait(decision.retry_after_us),
            policy_version=self._limiter.version,
        )

    async def Inspect(self, _request: pb.InspectRequest, _context: Any) -> pb.InspectResponse:
        """Every limit of the caller with what is left."""
        identity = identity_of(current_caller())
        decision = await self._limiter.inspect(identity)
        return pb.InspectResponse(
            limits=_statuses(decision),
            policy_version=self._limiter.version,
            penalties=self._shown(await self._beside.abuse.held(identity)),
            grants=[granted(override) for override in self._limiter.granted(identity)],
        )


def _reservation(reservation: str) -> Reservation:
    return Reservation(current_caller().organisation, reservation, current_workload().name)


def _use(cost: pb.Cost) -> Use:
    return Use(cost.requests, cost.input_tokens, cost.output_tokens, None)


def _statuses(decision: Decision) -> list[pb.LimitStatus]:
    return [_status(standing, decision.now_us) for standing in decision.standings]


def _status(standing: Standing, now_us: int) -> pb.LimitStatus:
    refused = common.OUTCOME_DENY if standing.never else common.OUTCOME_THROTTLE
    waits = not standing.fits and not standing.never
    return pb.LimitStatus(
        id=standing.limit.id,
        unit=_UNITS[standing.limit.unit],
        limit=standing.limit.limit,
        remaining=standing.remaining,
        resets_at=_instant(now_us + standing.reset_us) if now_us else None,
        outcome=common.OUTCOME_ALLOW if standing.fits else refused,
        retry_after=_wait(standing.wait_us) if waits else None,
        observed=standing.limit.observe,
        degraded=standing.degraded,
        clamped=standing.clamped,
    )


def _wait(micros: int | None) -> Duration | None:
    if micros is None:
        return None
    seconds, rest = divmod(micros, 1_000_000)
    return Duration(seconds=seconds, nanos=rest * 1000)


def _instant(micros: int) -> Timestamp:
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _micros(duration: Duration) -> int:
    return duration.seconds * 1_000_000 + duration.nanos // 1000
