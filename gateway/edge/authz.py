"""The front of the chain for a request that passes Envoy: address, auth, tenancy, and the limits of a request.

What the model reads is not looked at here: that is the business of who sees bodies, later on.
"""

from __future__ import annotations

from dataclasses import dataclass

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from gateway.admit import Admit, Work
from gateway.answers import Decision, decision_of, note
from gateway.clients import Services
from gateway.edge.authz_memory import Memory
from gateway.finaliser import Finaliser, Subject
from gateway.pipeline import ALLOW, DENY, Pipeline, Result
from gateway.settings import GatewaySettings
from gateway.stages import EDGE_AGAIN, EDGE_STAGES
from services.kit.caller import current_call
from services.kit.clock import Clock
from services.kit.deadline import remaining

# What is left to Envoy's deadline when ours is spent: time to say so.
_SURPLUS = 0.02
_NOT_ACCEPTED = Result(DENY, decision.REASON_CREDENTIAL_NOT_ACCEPTED)
_LET_IN = Result(ALLOW, decision.REASON_NONE)


@dataclass(slots=True)
class EdgeWork(Work):
    """One request. `handed_on`: later filters get a token of its own, and the limits are theirs to take.
    `to_be_listed`: only an origin that the brand lists may ask this."""

    limited: bool = True
    to_be_listed: bool = False
    handed_on: bool = False
    name: bytes = b""
    begun: float = 0.0
    remembered: bool = False
    unreadable: bool = False

    def subject(self) -> Subject:
        """What the audit event is about."""
        request = self.request
        kind = request.credential.WhichOneof("kind") or ""
        return Subject(
            "gateway.check",
            self.txn,
            self.principal,
            request.client_address,
            request.user_agent,
            facts={"credential": kind},
        )


class Authz:
    """Decides, and puts every decision on record."""

    def __init__(
        self, services: Services, admit: Admit, settings: GatewaySettings, finaliser: Finaliser, clock: Clock
    ) -> None:
        self._services = services
        self._settings = settings
        self._finaliser = finaliser
        self._clock = clock
        self._admit = admit
        self.memory = Memory(settings.edge_memory)
        front = admit.front
        self.pipeline: Pipeline[EdgeWork] = Pipeline(
            EDGE_STAGES,
            {
                "address": front["address"],
                "auth": self._authenticate,
                "tenancy": front["tenancy"],
                "ratelimit": self._take,
            },
        )
        self._again: dict[bool, Pipeline[EdgeWork]] = {
            True: Pipeline(EDGE_AGAIN, {"ratelimit": self._take}),
            False: Pipeline((), {}),
        }

    async def decide(self, work: EdgeWork) -> Decision:
        """Raises Unavailable when the decision cannot be put on record."""
        work.begun = self._clock.now()
        work.name = self._name(work)
        try:
            return await self._recorded(work) if self._known(work) else await self._in_turn(work)
        except BaseException:
            if not current_call().recorded:
                self._finaliser.abandoned(work.subject())
            raise

    async def _in_turn(self, work: EdgeWork) -> Decision:
        async with self.memory.turn(work.name, self._settings.edge_budget / 2):
            if not self._known(work):
                made = await self._recorded(work)
                if made.allowed and not made.degraded and work.name:
                    self.memory.keep(work.name, work.token, work.principal, work.begun)
                return made
        return await self._recorded(work)

    async def _recorded(self, work: EdgeWork) -> Decision:
        budget = remaining(self._settings.edge_budget + _SURPLUS) - _SURPLUS
        made = await self._decided(work, max(budget, 0.001))
        note(made)
        await self._finaliser.record(work.subject(), made)
        return made

    async def _decided(self, work: EdgeWork, budget: float) -> Decision:
        if work.unreadable:  # nothing of it is believed, so nobody is asked about it
            return Decision(DENY, decision.REASON_NOT_PERMITTED, "contract", 0.0, degraded=False)
        chain = self._again[work.limited] if work.remembered else self.pipeline
        return decision_of(chain.stages, await chain.run(work, budget))

    def _name(self, work: EdgeWork) -> bytes:
        """Under which the caller may be known. Empty for one who never is: a token that is handed on is of one
        request."""
        if work.unreadable or work.handed_on or work.request.credential.WhichOneof("kind") is None:
            return b""
        return self.memory.name(work.request, work.holder, work.action, str(work.to_be_listed))

    def _known(self, work: EdgeWork) -> bool:
        """Whether the caller was let in a moment ago."""
        known = self.memory.find(work.name, work.begun)
        if known is None:
            return False
        work.token, work.principal, work.brand = known.token, known.principal, known.principal.brand
        work.remembered = True
        return True

    async def _authenticate(self, work: EdgeWork) -> Result:
        if work.request.credential.WhichOneof("kind") is None:
            return _NOT_ACCEPTED
        found = await self._admit.front["auth"](work)
        return await self._at_a_listed_page(work) if found.allowed and work.to_be_listed else found

    async def _at_a_listed_page(self, work: EdgeWork) -> Result:
        answer = await self._services.resolve_origin(
            auth.ResolveOriginRequest(
                organisation=work.principal.organisation,
                brand=work.principal.brand,
                origin=work.request.origin,
                client_address=work.request.client_address,
            )
        )
        return _LET_IN if answer.outcome == ALLOW else Result(DENY, decision.REASON_NOT_PERMITTED)

    async def _take(self, work: EdgeWork) -> Result:
        if work.handed_on or not work.limited:
            return _LET_IN
        work.decided = decided = await self._services.take(work.token, work.txn)
        wait = decided.retry_after.ToTimedelta().total_seconds()
        return Result(decided.outcome, decided.reason, wait, decided.degraded)


def asked(
    credential: auth.Credential | None, brand: str, origin: str, client_address: str, user_agent: str
) -> pb.AdmitRequest:
    """The request in the words of Admit, whose first stages these are."""
    return pb.AdmitRequest(
        credential=credential,
        brand=brand,
        origin=origin[:512],
        client_address=client_address,
        user_agent=user_agent[:512],
    )
