"""What a streamed answer may still use: more is asked for as it grows past what was reserved, and refused it stops."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.answers import Decision
from gateway.clients import Services
from gateway.pipeline import ALLOW, DENY
from services.kit.errors import KitError

# Tokens that are asked for at once: a call for every few sentences, and no more than that is held without being used.
STEP = 512
AT_MOST = 2.0


class Allowance:
    """The output tokens of one stream. An admission that does not say what was reserved is settled in the end alone."""

    def __init__(self) -> None:
        self._covered = 0
        self._times = 0
        self.stopped: Decision | None = None

    def begin(self, continued: auth.ContinueResponse) -> None:
        """What was reserved; continuing once more changes nothing."""
        if not self._covered and continued.reservation:
            self._covered = continued.output_tokens

    async def covers(self, services: Services, continued: auth.ContinueResponse, used: int) -> bool:
        """Whether `used` tokens are paid for, after asking for more where they are not. False: it ends here."""
        if not self._covered:
            return True
        while used > self._covered:
            more = max(STEP, used - self._covered)
            if not await self._more(services, continued, more):
                return False
            self._covered += more
        return True

    async def _more(self, services: Services, continued: auth.ContinueResponse, tokens: int) -> bool:
        self._times += 1
        request = ratelimit.ExtendRequest(
            reservation=continued.reservation,
            more=ratelimit.Cost(output_tokens=tokens, model=continued.model),
            request_id=f"stream-{self._times}",
        )
        try:
            answer = await services.extend(continued.txn_token, request, AT_MOST)
        except (KitError, TimeoutError):
            # Closed: an answer that cannot be paid for now is not given away.
            self.stopped = Decision(DENY, decision.REASON_STAGE_UNAVAILABLE, "ratelimit", 0.0, degraded=True)
            return False
        if answer.outcome == ALLOW:
            return True
        refused = (decision.OUTCOME_THROTTLE, decision.OUTCOME_DENY)
        outcome = answer.outcome if answer.outcome in refused else DENY
        wait = answer.retry_after.ToTimedelta().total_seconds()
        self.stopped = Decision(outcome, answer.reason, "ratelimit", wait, degraded=False)
        return False

    @property
    def verdict(self) -> decision.Verdict | None:
        """The rate limiter's, when it ended the stream."""
        made = self.stopped
        if made is None:
            return None
        return decision.Verdict(stage="ratelimit", outcome=made.outcome, reason=made.reason, degraded=made.degraded)
