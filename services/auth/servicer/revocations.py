"""Revocation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from services.auth.policy import jwt_claims
from services.auth.ports import Progress
from services.auth.servicer.flows import Part
from services.kit import epochs
from services.kit.caller import current_caller, current_workload
from services.kit.errors import InvalidArgument

_BRAND = re.compile(r"[a-z][a-z0-9-]{1,62}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_SESSION = re.compile(r"ses_[0-9A-Za-z]{16,32}")
SHOWN = 10_000


class Revocations(Part):
    """Ends what was issued, and lets everybody know."""

    async def RevokeSubject(self, request: pb.RevokeSubjectRequest, context: Any) -> pb.RevokeSubjectResponse:
        """Raises the epoch of a user, a brand, the organisation, a session or one token."""
        if request.kind == pb.SUBJECT_KIND_TOKEN:
            name, expires_at = _token_name(request), float(request.expires_at.seconds)
            epoch = await self._flows.revocation.revoke_token(current_caller(), name, expires_at)
        else:
            epoch = await self._flows.revocation.revoke(current_caller(), _epoch_name(request))
        return pb.RevokeSubjectResponse(epoch=epoch)

    async def EndMembership(self, request: pb.EndMembershipRequest, context: Any) -> pb.EndMembershipResponse:
        """Tenancy has decided that the caller may, and has removed the member."""
        epoch = await self._flows.revocation.revoke(current_caller(), epochs.user(request.user))
        return pb.EndMembershipResponse(epoch=epoch)

    async def EndBrand(self, request: pb.EndBrandRequest, context: Any) -> pb.EndBrandResponse:
        """Tenancy has decided that the caller may, and has deleted the brand."""
        epoch = await self._flows.revocation.revoke(current_caller(), epochs.brand(request.brand))
        return pb.EndBrandResponse(epoch=epoch)

    async def WatchRevocations(
        self, request: pb.WatchRevocationsRequest, context: Any
    ) -> AsyncIterator[pb.WatchRevocationsResponse]:
        """The feed."""
        async with aclosing(self._flows.following.feed.watch(request.after_sequence, recent=request.recent)) as news:
            async for tidings in news:
                yield pb.WatchRevocationsResponse(
                    sequence=tidings.sequence,
                    revocations=[
                        pb.Revocation(
                            sequence=rise.sequence, organisation=rise.organisation, name=rise.name, epoch=rise.epoch
                        )
                        for rise in tidings.rises
                    ],
                    reset=tidings.reset,
                )

    async def AckRevocations(self, request: pb.AckRevocationsRequest, context: Any) -> pb.AckRevocationsResponse:
        """A process may only speak for its own workload."""
        process = f"{current_workload().name}/{request.process}"
        await self._flows.following.watchers.note(process, request.sequence, request.following)
        return pb.AckRevocationsResponse()

    async def CheckEpochs(self, request: pb.CheckEpochsRequest, context: Any) -> pb.CheckEpochsResponse:
        """By the store, whatever this process has heard."""
        stands = await self._flows.following.book.stands(current_caller())
        return pb.CheckEpochsResponse(outcome=common.OUTCOME_ALLOW if stands else common.OUTCOME_DENY)

    async def RevocationStatus(self, request: pb.RevocationStatusRequest, context: Any) -> pb.RevocationStatusResponse:
        """The slowest process first: who asks per call is slower than who is behind."""
        head, found = await self._flows.following.status()
        return pb.RevocationStatusResponse(sequence=head, processes=[_process(p, head) for p in found[:SHOWN]])


def _process(progress: Progress, head: int) -> pb.RevocationProcess:
    made = pb.RevocationProcess(
        process=progress.process,
        sequence=progress.sequence,
        behind=max(0, head - progress.sequence),
        following=progress.following,
    )
    made.silent_for.FromMilliseconds(round(progress.silent_for * 1000))
    return made


def _epoch_name(request: pb.RevokeSubjectRequest) -> str:
    if not (request.issuer or request.token_id or request.HasField("expires_at")):
        if request.kind == pb.SUBJECT_KIND_USER and _USER.fullmatch(request.id):
            return epochs.user(request.id)
        if request.kind == pb.SUBJECT_KIND_BRAND and _BRAND.fullmatch(request.id):
            return epochs.brand(request.id)
        if request.kind == pb.SUBJECT_KIND_SESSION and _SESSION.fullmatch(request.id):
            return epochs.session(request.id)
        if request.kind == pb.SUBJECT_KIND_ORGANISATION and not request.id:
            return epochs.ORGANISATION
    raise InvalidArgument.of("id", "a user, brand or session id and nothing else; empty for the organisation")


def _token_name(request: pb.RevokeSubjectRequest) -> str:
    if request.id or not request.issuer or not request.token_id:
        raise InvalidArgument.of("token_id", "issuer and token_id of the token, and no id")
    return epochs.token(jwt_claims.token_id(request.issuer, request.token_id))
