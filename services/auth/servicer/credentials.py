"""Authenticate, admissions and the public keys."""

from __future__ import annotations

import re
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth import messages
from services.auth.flows.authenticate import Asked, Kind
from services.auth.policy.identity import Circumstances
from services.auth.servicer.flows import Part
from services.kit.caller import current_caller, current_workload
from services.kit.telemetry import Attr, span

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,255}")


class Credentials(Part):
    """Who is asking."""

    async def Authenticate(self, request: pb.AuthenticateRequest, context: Any) -> pb.AuthenticateResponse:
        """Verifies a credential and mints a transaction token."""
        asked = _asked(request)
        with span("auth verify credential", {Attr.CREDENTIAL_KIND: asked.kind.value}):
            found = await self._flows.authenticator.authenticate(asked)
        reason = messages.credential_reason(found.cause)
        if found.minted is None:
            return pb.AuthenticateResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason, txn=found.txn)
        caller = found.minted.caller
        return pb.AuthenticateResponse(
            outcome=decision_pb2.OUTCOME_ALLOW,
            reason=reason,
            txn_token=found.minted.token,
            expires_at=messages.moment(caller.expires_at),
            principal=messages.principal(caller),
            txn=found.txn,
            context=found.context,
        )

    async def OpenAdmission(self, request: pb.OpenAdmissionRequest, context: Any) -> pb.OpenAdmissionResponse:
        """Keeps an admission for the workload that asked."""
        handle, expires_at = await self._flows.admissions.open(
            current_caller(),
            holder=request.holder,
            conversation=request.conversation,
            reservation=request.reservation,
            seconds=messages.seconds(request.ttl),
            input_tokens=request.input_tokens,
            model=request.model,
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
            expires_at=messages.moment(found.minted.caller.expires_at),
        )

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """The public keys."""
        return pb.GetJwksResponse(jwks=self._flows.signer.jwks())


def _asked(request: pb.AuthenticateRequest) -> Asked:
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
            challenge=request.challenge.provider,
        ),
    )
