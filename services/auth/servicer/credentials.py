"""Authenticate, admissions and the public keys."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth import messages
from services.auth.flows.admissions import Given
from services.auth.flows.authenticate import Asked, Kind
from services.auth.flows.passes import Solved
from services.auth.policy.identity import Circumstances
from services.auth.servicer.flows import Part
from services.kit.caller import current_caller, current_workload
from services.kit.telemetry import Attr, span

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,255}")


class Credentials(Part):
    """Who is asking."""

    async def Authenticate(self, request: pb.AuthenticateRequest, context: Any) -> pb.AuthenticateResponse:
        """Verifies a credential and mints a transaction token."""
        asked = _asked(request, self._challenge_of(request))
        with span("auth verify credential", {Attr.CREDENTIAL_KIND: asked.kind.value}):
            found = await self._flows.authenticator.authenticate(asked)
        reason = messages.credential_reason(found.cause)
        if found.minted is None:
            key = request.credential.api_key if asked.kind is Kind.API_KEY else ""
            self._flows.reports.refused(found.cause, found.txn, request.client_address, key)
            return self._refusal(request, reason, found.txn)
        caller = found.minted.caller
        edges, where = self._flows.edge.edges, request.client_address
        if await edges.foreign(caller.organisation, caller.brand, request.origin, where):
            reason = decision_pb2.REASON_NOT_PERMITTED
            return pb.AuthenticateResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason, txn=found.txn)
        return pb.AuthenticateResponse(
            outcome=decision_pb2.OUTCOME_ALLOW,
            reason=reason,
            txn_token=found.minted.token,
            expires_at=messages.moment(caller.expires_at),
            principal=messages.principal(caller),
            txn=found.txn,
            context=found.context,
            challenge_verified=bool(found.challenge),
        )

    def _refusal(
        self, request: pb.AuthenticateRequest, reason: decision_pb2.Reason.ValueType, txn: str
    ) -> pb.AuthenticateResponse:
        """Depends on the address alone, so it says no more of the credential; who has solved is not asked again."""
        uniform = reason == decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED
        if uniform and self._flows.edge.asking.after_refusal(request.client_address) and not request.challenge_pass:
            outcome, reason = decision_pb2.OUTCOME_CHALLENGE, decision_pb2.REASON_CHALLENGE_REQUIRED
            return pb.AuthenticateResponse(outcome=outcome, reason=reason, txn=txn)
        return pb.AuthenticateResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason, txn=txn)

    def _challenge_of(self, request: pb.AuthenticateRequest) -> Callable[[str, str], str]:
        workload = current_workload().name

        def challenge_of(organisation: str, brand: str) -> str:
            solved = Solved(organisation, brand, request.client_address, workload, request.txn)
            return self._flows.edge.passes.provider(request.challenge_pass, solved) if request.challenge_pass else ""

        return challenge_of

    async def OpenAdmission(self, request: pb.OpenAdmissionRequest, context: Any) -> pb.OpenAdmissionResponse:
        """Keeps an admission for the workload that asked."""
        handle, expires_at = await self._flows.admissions.open(
            current_caller(),
            holder=request.holder,
            conversation=request.conversation,
            reservation=request.reservation,
            seconds=messages.seconds(request.ttl),
            given=Given(
                request.input_tokens, request.model, request.output_tokens, request.prompt_prints, request.taint
            ),
        )
        return pb.OpenAdmissionResponse(admission=handle, expires_at=messages.moment(expires_at))

    async def Continue(self, request: pb.ContinueRequest, context: Any) -> pb.ContinueResponse:
        """A fresh token of an admitted transaction."""
        found = await self._flows.admissions.go_on(request.admission, request.on_behalf_of)
        if found.minted is None or found.admission is None:
            reason = decision_pb2.REASON_ADMISSION_NOT_ACCEPTED
            return pb.ContinueResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason)
        return pb.ContinueResponse(
            outcome=decision_pb2.OUTCOME_ALLOW,
            reason=decision_pb2.REASON_NONE,
            txn_token=found.minted.token,
            principal=messages.principal(found.minted.caller),
            txn=found.admission.txn,
            conversation=found.admission.conversation,
            reservation=found.admission.reservation,
            input_tokens=found.admission.input_tokens,
            model=found.admission.model,
            output_tokens=found.admission.output_tokens,
            prompt_prints=base64.b64decode(found.admission.prompt_prints),
            taint=base64.b64decode(found.admission.taint),
            expires_at=messages.moment(found.minted.caller.expires_at),
        )

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """The public keys."""
        return pb.GetJwksResponse(jwks=self._flows.signer.jwks())


def _asked(request: pb.AuthenticateRequest, challenge_of: Callable[[str, str], str]) -> Asked:
    field = request.credential.WhichOneof("kind")
    workload = current_workload()
    # Only the gateway speaks for others; a backend's token is for itself, with a transaction id of ours.
    trusted = workload.kind == "gateway"
    return Asked(
        kind=Kind(field),
        presented=getattr(request.credential, field or ""),
        brand=request.brand,
        workload=(request.on_behalf_of or workload.name) if trusted else workload.name,
        txn=request.txn if trusted else "",
        circumstances=Circumstances(
            client_address=request.client_address,
            origin=request.origin if _ORIGIN.fullmatch(request.origin) else "",
            user_agent=request.user_agent,
        ),
        challenge_of=challenge_of,
    )
