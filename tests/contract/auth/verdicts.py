"""What each code of a challenge provider must lead to."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

ALLOW, DENY = common.OUTCOME_ALLOW, common.OUTCOME_DENY
CHALLENGE, THROTTLE = common.OUTCOME_CHALLENGE, common.OUTCOME_THROTTLE
AGAIN = (CHALLENGE, common.REASON_CHALLENGE_NOT_ACCEPTED)
REFUSED = (DENY, common.REASON_CHALLENGE_NOT_ACCEPTED)
UNAVAILABLE = (DENY, common.REASON_CHALLENGE_UNAVAILABLE)
CODES = {
    "missing-input-secret": UNAVAILABLE,
    "invalid-input-secret": UNAVAILABLE,
    "invalid-widget-id": UNAVAILABLE,
    "invalid-parsed-secret": UNAVAILABLE,
    "bad-request": UNAVAILABLE,
    "missing-input-response": AGAIN,
    "invalid-input-response": REFUSED,
    "timeout-or-duplicate": AGAIN,
    "a-code-of-tomorrow": UNAVAILABLE,
}
HCAPTCHA = {
    "expired-input-response": AGAIN,
    "already-seen-response": AGAIN,
    "invalid-or-already-seen-response": AGAIN,
    "sitekey-secret-mismatch": UNAVAILABLE,
    "not-using-dummy-passcode": UNAVAILABLE,
    "missing-remoteip": UNAVAILABLE,
}


def told(answer: pb.VerifyChallengeResponse) -> tuple[int, int]:
    assert bool(getattr(answer, "pass")) == (answer.outcome == ALLOW)
    return answer.outcome, answer.reason
