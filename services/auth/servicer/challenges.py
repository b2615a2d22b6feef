"""Bot challenges."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth.flows.challenges import Presented
from services.auth.policy.challenges import Decided
from services.auth.servicer.flows import Part
from services.kit.caller import current_workload

_ANSWERS = {
    Decided.SOLVED: (decision_pb2.OUTCOME_ALLOW, decision_pb2.REASON_NONE),
    Decided.SOLVE_AGAIN: (decision_pb2.OUTCOME_CHALLENGE, decision_pb2.REASON_CHALLENGE_NOT_ACCEPTED),
    Decided.REFUSED: (decision_pb2.OUTCOME_DENY, decision_pb2.REASON_CHALLENGE_NOT_ACCEPTED),
    Decided.TOO_MANY: (decision_pb2.OUTCOME_THROTTLE, decision_pb2.REASON_RATE_LIMITED),
    Decided.UNAVAILABLE: (decision_pb2.OUTCOME_DENY, decision_pb2.REASON_CHALLENGE_UNAVAILABLE),
    Decided.STEP_UP: (decision_pb2.OUTCOME_CHALLENGE, decision_pb2.REASON_CHALLENGE_UNAVAILABLE),
}


class Challenges(Part):
    """Was it solved, here and now, and for this?"""

    async def VerifyChallenge(self, request: pb.VerifyChallengeRequest, context: Any) -> pb.VerifyChallengeResponse:
        """Asks the provider, within its budget."""
        solved = request.challenge
        verdict = await self._flows.edge.challenges.verify(
            Presented(
                organisation=request.organisation,
                brand=request.brand,
                provider=solved.provider,
                token=solved.token,
                action=solved.action,
                binding=solved.binding,
                client_address=request.client_address,
                workload=current_workload().name,
                request_id=request.request_id,
            )
        )
        outcome, reason = _ANSWERS[verdict.decided]
        answer = pb.VerifyChallengeResponse(outcome=outcome, reason=reason)
        setattr(answer, "pass", verdict.proof)
        return answer
