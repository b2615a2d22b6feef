"""A solved challenge on its way through Admit: verified before the credential, once, and never passed by a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy

from gateway.admit import Admit, Work
from gateway.answers import decision_of
from gateway.settings import GatewaySettings
from services.kit.errors import DeadlineExceeded, Unavailable

ALLOW, DENY, CHALLENGE = decision.OUTCOME_ALLOW, decision.OUTCOME_DENY, decision.OUTCOME_CHALLENGE
SOLVED = auth.VerifyChallengeResponse(outcome=ALLOW, reason=decision.REASON_NONE, **{"pass": "turnstile.1.x"})
STOP = decision.REASON_NOT_PERMITTED


@dataclass
class Asked:
    """Stands for the services up to tenancy, which refuses: further the chain need not run here."""

    over: bool = True
    verdict: Any = field(default_factory=lambda: SOLVED)
    wants: bool = False
    verified: bool = True
    verifications: list[auth.VerifyChallengeRequest] = field(default_factory=list)
    authentications: list[auth.AuthenticateRequest] = field(default_factory=list)

    async def decide_address(self, _: str) -> ratelimit.DecideAddressResponse:
        if self.over:
            return ratelimit.DecideAddressResponse(outcome=CHALLENGE, reason=decision.REASON_ADDRESS_OVER_LIMIT)
        return ratelimit.DecideAddressResponse(outcome=ALLOW)

    async def verify_challenge(
        self, request: auth.VerifyChallengeRequest, at_most: float
    ) -> auth.VerifyChallengeResponse:
        assert at_most <= 1.5
        self.verifications.append(request)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        answer: auth.VerifyChallengeResponse = self.verdict
        return answer

    async def authenticate(self, request: auth.AuthenticateRequest) -> auth.AuthenticateResponse:
        self.authentications.append(request)
        if self.wants and not request.challenge_pass:
            return auth.AuthenticateResponse(outcome=CHALLENGE, reason=decision.REASON_CHALLENGE_REQUIRED)
        verified = self.verified and bool(request.challenge_pass)
        return auth.AuthenticateResponse(outcome=ALLOW, txn_token="t", challenge_verified=verified)

    async def may(self, *_: str) -> tenancy.AuthorizeResponse:
        return tenancy.AuthorizeResponse(outcome=DENY, reason=STOP)


def request(**changed: Any) -> pb.AdmitRequest:
    fields: dict[str, Any] = {
        "credential": {"api_key": "k"},
        "client_address": "192.0.2.1",
        "organisation": "acme",
        "brand": "shop",
        "challenge": {"provider": "turnstile", "token": "t"},
    }
    return pb.AdmitRequest(**(fields | changed))


async def decided(services: Asked, asked: pb.AdmitRequest, budget: float = 5.0) -> tuple[int, int, str]:
    admit = Admit(services, GatewaySettings.model_validate({}))  # type: ignore[arg-type]
    ran = await admit.pipeline.run(Work(asked, "backend/shop", txn="t" * 32), budget)
    made = decision_of(admit.pipeline.stages, ran)
    return made.outcome, made.reason, made.decided_by


PASSED = (DENY, STOP, "tenancy")


async def test_a_solved_challenge_is_verified_once_before_the_credential() -> None:
    services = Asked()
    assert await decided(services, request()) == PASSED
    (verified,), (authenticated,) = services.verifications, services.authentications
    assert verified.request_id == authenticated.txn == "t" * 32
    assert authenticated.challenge_pass == "turnstile.1.x"
    assert not authenticated.HasField("challenge")


async def test_without_one_the_address_is_asked_and_no_credential_is_looked_at() -> None:
    services = Asked()
    asked = request()
    asked.ClearField("challenge")
    assert await decided(services, asked) == (CHALLENGE, decision.REASON_ADDRESS_OVER_LIMIT, "address")
    assert not services.authentications


@pytest.mark.parametrize(
    "verdict",
    [
        Unavailable("auth"),
        DeadlineExceeded(),
        auth.VerifyChallengeResponse(),
        auth.VerifyChallengeResponse(outcome=DENY, reason=decision.REASON_CHALLENGE_UNAVAILABLE),
        auth.VerifyChallengeResponse(outcome=CHALLENGE, reason=decision.REASON_CHALLENGE_NOT_ACCEPTED),
    ],
    ids=repr,
)
async def test_what_is_not_verified_is_never_passed(verdict: Any) -> None:
    services = Asked(verdict=verdict)
    outcome, _, stage = await decided(services, request())
    assert outcome != ALLOW
    assert stage == "auth"
    assert not services.authentications


@pytest.mark.parametrize("missing", ["organisation", "brand"])
async def test_whose_widget_it_was_must_be_said(missing: str) -> None:
    services = Asked()
    assert await decided(services, request(**{missing: ""})) == (CHALLENGE, decision.REASON_CHALLENGE_REQUIRED, "auth")
    assert not services.verifications


async def test_solved_for_another_principal_is_refused() -> None:
    services = Asked(verified=False)
    assert await decided(services, request()) == (DENY, decision.REASON_CHALLENGE_NOT_ACCEPTED, "auth")


async def test_auth_may_ask_as_well_and_gets_its_answer_once() -> None:
    services = Asked(over=False, wants=True)
    assert await decided(services, request()) == PASSED
    assert len(services.verifications) == 1
    assert len(services.authentications) == 2
    never = Asked(over=False, wants=True, verdict=SOLVED)
    asked = request()
    asked.ClearField("challenge")
    assert await decided(never, asked) == (CHALLENGE, decision.REASON_CHALLENGE_REQUIRED, "auth")


async def test_who_is_not_asked_is_not_kept_waiting() -> None:
    services = Asked(over=False)
    assert await decided(services, request()) == PASSED
    assert not services.verifications
