"""Translates between the contract and the flows; decides nothing."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.duration_pb2 import Duration
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc
from hauberk.common.v1 import decision_pb2

from services.auth import messages
from services.auth.flows.admissions import Admissions
from services.auth.flows.authenticate import Asked, Authenticator, Kind
from services.auth.flows.key_management import Issued, KeyManagement, Wanted
from services.auth.flows.revocation import Revocation
from services.auth.policy.identity import Circumstances
from services.auth.ports import Signer
from services.kit import epochs
from services.kit.caller import current_caller, current_workload
from services.kit.errors import InvalidArgument
from services.kit.telemetry import Attr, span

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,255}")
_BRAND = re.compile(r"[a-z][a-z0-9-]{1,62}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class AuthServicer(rpc.AuthServiceServicer):
    """What is not overridden here is not served yet: the boundary answers UNIMPLEMENTED."""

    def __init__(
        self,
        authenticator: Authenticator,
        admissions: Admissions,
        keys: KeyManagement,
        revocation: Revocation,
        signer: Signer,
    ) -> None:
        self._authenticator = authenticator
        self._admissions = admissions
        self._keys = keys
        self._revocation = revocation
        self._signer = signer

    async def Authenticate(self, request: pb.AuthenticateRequest, context: Any) -> pb.AuthenticateResponse:
        """Verifies a credential and mints a transaction token."""
        asked = _asked(request)
        with span("auth verify credential", {Attr.CREDENTIAL_KIND: asked.kind.value}):
            found = await self._authenticator.authenticate(asked)
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
        handle, expires_at = await self._admissions.open(
            current_caller(),
            holder=request.holder,
            conversation=request.conversation,
            reservation=request.reservation,
            seconds=_seconds(request.ttl),
            input_tokens=request.input_tokens,
            model=request.model,
        )
        return pb.OpenAdmissionResponse(admission=handle, expires_at=messages.moment(expires_at))

    async def Continue(self, request: pb.ContinueRequest, context: Any) -> pb.ContinueResponse:
        """A fresh token of an admitted transaction."""
        found = await self._admissions.go_on(request.admission, request.on_behalf_of)
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

    async def BootstrapApiKey(self, request: pb.BootstrapApiKeyRequest, context: Any) -> pb.BootstrapApiKeyResponse:
        """The first key of an organisation."""
        issued = await self._keys.bootstrap(request.organisation, request.subject, request.brand)
        return pb.BootstrapApiKeyResponse(api_key=issued.text, key=messages.api_key(issued.record))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Any) -> pb.CreateApiKeyResponse:
        """A key for a member."""
        wanted = Wanted(
            subject=request.subject,
            brand=request.brand,
            scopes=tuple(request.scopes),
            display_name=request.display_name,
            seconds=_seconds(request.ttl) if request.HasField("ttl") else None,
        )
        issued = await self._keys.create(current_caller(), wanted)
        return pb.CreateApiKeyResponse(api_key=issued.text, key=messages.api_key(issued.record))

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, context: Any) -> pb.RotateApiKeyResponse:
        """A new key in place of an old one."""
        grace = _seconds(request.grace) if request.HasField("grace") else None
        issued: Issued = await self._keys.rotate(current_caller(), request.key_id, grace)
        return pb.RotateApiKeyResponse(
            api_key=issued.text,
            key=messages.api_key(issued.record),
            old_key_expires_at=messages.moment(issued.old_ends_at),
        )

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Any) -> pb.RevokeApiKeyResponse:
        """Ends a key at once."""
        record = await self._keys.revoke(current_caller(), request.key_id)
        return pb.RevokeApiKeyResponse(key=messages.api_key(record))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Any) -> pb.ListApiKeysResponse:
        """One page of keys."""
        after = messages.cursor_of(request.page_token)
        records, more = await self._keys.page(current_caller(), after, request.page_size)
        return pb.ListApiKeysResponse(
            keys=[messages.api_key(record) for record in records],
            next_page_token=messages.page_token(records[-1]) if more else "",
        )

    async def RevokeSubject(self, request: pb.RevokeSubjectRequest, context: Any) -> pb.RevokeSubjectResponse:
        """Raises the epoch of a user, a brand or the organisation."""
        epoch = await self._revocation.revoke(current_caller(), _epoch_name(request))
        return pb.RevokeSubjectResponse(epoch=epoch)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """The public keys."""
        return pb.GetJwksResponse(jwks=self._signer.jwks())


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


def _epoch_name(request: pb.RevokeSubjectRequest) -> str:
    if request.kind == pb.SUBJECT_KIND_USER and _USER.fullmatch(request.id):
        return epochs.user(request.id)
    if request.kind == pb.SUBJECT_KIND_BRAND and _BRAND.fullmatch(request.id):
        return epochs.brand(request.id)
    if request.kind == pb.SUBJECT_KIND_ORGANISATION and not request.id:
        return epochs.ORGANISATION
    raise InvalidArgument.of("id", "a user id or a brand id; empty for the organisation")


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
