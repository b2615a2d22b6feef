"""Translates between Envoy's rate-limit contract and the limits of the edge; decides nothing."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from hauberk.envoy.ratelimit.v3 import rls_pb2 as pb
from hauberk.envoy.ratelimit.v3 import rls_pb2_grpc as pb_grpc

from services.kit.caller import current_workload
from services.ratelimit.flows.edge import Edge
from services.ratelimit.policy.descriptors import Asked, DescriptorLimit
from services.ratelimit.policy.edge_verdict import DescriptorAnswer

_Limit = pb.RateLimitResponse.RateLimit
_UNITS = {
    1: _Limit.SECOND,
    60: _Limit.MINUTE,
    3600: _Limit.HOUR,
    86_400: _Limit.DAY,
    7 * 86_400: _Limit.WEEK,
}


class EnvoyServicer(pb_grpc.RateLimitServiceServicer):
    """Serves `ShouldRateLimit`."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def ShouldRateLimit(self, request: pb.RateLimitRequest, _context: Any) -> pb.RateLimitResponse:
        """Counts one request against the limits of its descriptors."""
        asked = [_asked(descriptor, request.hits_addend or 1) for descriptor in request.descriptors]
        decision = await self._edge.decide(current_workload().name, request.domain, asked)
        answer = pb.RateLimitResponse(
            overall_code=_code(over=decision.over), statuses=[_status(each) for each in decision.answers]
        )
        for key, value in decision.headers:
            answer.response_headers_to_add.add(key=key, value=value)
        return answer


def _asked(descriptor: pb.RateLimitDescriptor, hits: int) -> Asked:
    own = descriptor.hits_addend.value if descriptor.HasField("hits_addend") else hits
    return Asked(tuple((entry.key, entry.value) for entry in descriptor.entries), own)


def _status(answer: DescriptorAnswer) -> pb.RateLimitResponse.DescriptorStatus:
    nearest = answer.nearest
    if nearest is None:
        return pb.RateLimitResponse.DescriptorStatus(code=_code(over=answer.over))
    seconds, rest = divmod(nearest.reset_us, 1_000_000)
    return pb.RateLimitResponse.DescriptorStatus(
        code=_code(over=answer.over),
        current_limit=_limit(nearest.limit),
        limit_remaining=nearest.remaining,
        duration_until_reset=Duration(seconds=seconds, nanos=rest * 1000),
    )


def _limit(limit: DescriptorLimit) -> pb.RateLimitResponse.RateLimit:
    unit = _UNITS.get(limit.window, _Limit.UNKNOWN)
    return _Limit(requests_per_unit=limit.limit, unit=unit, name=limit.id)


def _code(*, over: bool) -> pb.RateLimitResponse.Code.ValueType:
    return pb.RateLimitResponse.OVER_LIMIT if over else pb.RateLimitResponse.OK
