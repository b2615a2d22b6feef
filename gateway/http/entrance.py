"""From a credential over HTTP to a transaction token: the client's address, then auth. The tenant comes from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as ratelimit_grpc

from gateway.answers import Decision
from gateway.edge.credentials import Shapes, must_be_listed, presented
from gateway.edge.problem import Problem, problem_of
from gateway.http.settings import EdgeSettings
from gateway.http.web import Request
from services.kit.channels import Client

_ADDRESS_BUDGET = 1.0
_AUTH_BUDGET = 3.0
_NOT_ACCEPTED = "The credential is missing or not accepted."
_OVER_LIMIT = "Too many requests from this address."


class Refused(Exception):
    """Nobody is let in by this."""

    def __init__(self, said: Problem) -> None:
        super().__init__(said.status)
        self.problem = said


@dataclass(frozen=True, slots=True)
class Guest:
    """Who was let in."""

    principal: auth.Principal
    token: str
    txn: str


class Entrance:
    """Lets in, or raises Refused; raises KitError when nobody can say."""

    def __init__(self, channel: Callable[[str], Any], settings: EdgeSettings) -> None:
        self._auth = auth_grpc.AuthServiceStub(channel("auth"))
        self._ratelimit = ratelimit_grpc.RateLimitServiceStub(channel("ratelimit"))
        self._clients = {name: Client(name) for name in ("auth", "ratelimit")}
        self._settings = settings
        self._shapes = Shapes(settings.api_key_prefix, settings.cookie)

    async def knock(self, request: Request) -> None:
        """The limit of the address, before anything is read of what it brings."""
        question = ratelimit.DecideAddressRequest(client_address=request.address)
        answer: ratelimit.DecideAddressResponse = await self._clients["ratelimit"].call(
            self._ratelimit.DecideAddress, question, at_most=_ADDRESS_BUDGET, name="ratelimit.DecideAddress"
        )
        if answer.outcome != decision.OUTCOME_ALLOW:
            # A challenge is a person's to solve, at a page: who speaks JSON waits.
            wait = answer.retry_after.ToTimedelta().total_seconds() or 1.0
            raise Refused(_refusal(decision.OUTCOME_THROTTLE, answer.reason, _OVER_LIMIT, wait))

    async def enter(self, request: Request) -> Guest:
        """Who is asking. Raises HeadersError when the request brings several credentials."""
        credential = presented(request.headers, request.method, self._shapes)
        if credential is None:
            raise Refused(_refusal(decision.OUTCOME_DENY, decision.REASON_CREDENTIAL_NOT_ACCEPTED, _NOT_ACCEPTED))
        at = self._settings.brand_of(request.host)
        # Where the host stands for a brand, no page has come this far that the brand does not list.
        if at is None and must_be_listed(request.headers, request.method, request.headers.get("host")):
            raise Refused(_refusal(decision.OUTCOME_DENY, decision.REASON_CREDENTIAL_NOT_ACCEPTED, _NOT_ACCEPTED))
        question = auth.AuthenticateRequest(
            credential=credential,
            brand=at.brand if at else "",
            origin=request.origin[:512],
            client_address=request.address,
            user_agent=request.headers.get("user-agent")[:512],
        )
        answer: auth.AuthenticateResponse = await self._clients["auth"].call(
            self._auth.Authenticate, question, at_most=_AUTH_BUDGET, name="auth.Authenticate"
        )
        # Brands are named within an organisation: one of the same name elsewhere is not this host's.
        elsewhere = at is not None and answer.principal.organisation != at.organisation
        if answer.outcome != decision.OUTCOME_ALLOW or not answer.txn_token or elsewhere:
            reason = answer.reason if answer.outcome != decision.OUTCOME_ALLOW else decision.REASON_UNSPECIFIED
            raise Refused(_refusal(answer.outcome, reason or decision.REASON_CREDENTIAL_NOT_ACCEPTED, _NOT_ACCEPTED))
        return Guest(answer.principal, answer.txn_token, answer.txn)


def _refusal(
    outcome: decision.Outcome.ValueType, reason: decision.Reason.ValueType, words: str, wait: float = 0.0
) -> Problem:
    return problem_of(Decision(outcome, reason, "auth", wait, False), words, "")
