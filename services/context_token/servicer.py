"""Translates between the contract and the exchange; decides nothing."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.common.v1 import decision_pb2
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1 import context_token_service_pb2_grpc as rpc

from services.context_token.exchange import Asked, Exchange
from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.ports import Signer
from services.kit.caller import current_call, current_caller, current_workload

_REASONS = {
    IssueCause.NONE: decision_pb2.REASON_NONE,
    IssueCause.ORGANISATION_SUSPENDED: decision_pb2.REASON_ORGANISATION_SUSPENDED,
    IssueCause.TOO_MANY: decision_pb2.REASON_RATE_LIMITED,
}


class ContextTokenServicer(rpc.ContextTokenServiceServicer):
    """Serves ContextTokenService. The organisation is the proven caller's or the signed token's."""

    def __init__(self, exchange: Exchange, signer: Signer) -> None:
        self._exchange = exchange
        self._signer = signer

    async def Issue(self, request: pb.IssueRequest, context: Any) -> pb.IssueResponse:
        """A signed token for one brand."""
        asked = Asked(
            caller=current_caller(),
            caller_token=current_call().token,
            workload=current_workload().name,
            target_brand=request.target_brand,
            body=request.body,
            seconds=request.ttl.seconds + request.ttl.nanos / 1e9 if request.HasField("ttl") else None,
            single_use=request.single_use,
        )
        issued = await self._exchange.issue(asked)
        reason = _REASONS.get(issued.cause, decision_pb2.REASON_NOT_PERMITTED)
        outcome = _outcome(issued.cause is IssueCause.NONE)
        if issued.cause is not IssueCause.NONE:
            return pb.IssueResponse(outcome=outcome, reason=reason)
        ends = Timestamp(seconds=issued.expires_at)
        return pb.IssueResponse(outcome=outcome, reason=reason, context_token=issued.token, expires_at=ends)

    async def Redeem(self, request: pb.RedeemRequest, context: Any) -> pb.RedeemResponse:
        """The context behind a token; every refused one looks the same."""
        found = await self._exchange.redeem(request.context_token, request.consumer, request.brand)
        grant = found.grant
        if grant is None or found.cause is not Cause.NONE:
            reason = decision_pb2.REASON_CONTEXT_NOT_ACCEPTED
            return pb.RedeemResponse(outcome=_outcome(False), reason=reason)
        return pb.RedeemResponse(
            outcome=_outcome(True),
            reason=decision_pb2.REASON_NONE,
            body=found.body,
            organisation=grant.organisation,
            subject=grant.subject,
            brand=found.brand,
            source_brand=grant.source_brand,
            scopes=sorted(grant.scopes),
            epoch_user=grant.epochs.user,
            epoch_organisation=grant.epochs.organisation,
            epoch_brand=grant.epochs.brand,
            token_id=grant.token_id,
            issued_at=Timestamp(seconds=grant.issued_at),
            key_id=grant.key_id,
            epoch_key=grant.epochs.key,
            session_id=grant.session_id,
            epoch_session=grant.epochs.session,
            origin_token_id=grant.origin_token_id,
            epoch_token=grant.epochs.token,
        )

    async def Revoke(self, request: pb.RevokeRequest, context: Any) -> pb.RevokeResponse:
        """Ends a token of the caller's organisation."""
        await self._exchange.revoke(request.context_token, current_caller())
        return pb.RevokeResponse()

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """The public keys."""
        return pb.GetJwksResponse(jwks=self._signer.jwks())


def _outcome(allowed: bool) -> decision_pb2.Outcome.ValueType:
    return decision_pb2.OUTCOME_ALLOW if allowed else decision_pb2.OUTCOME_DENY
