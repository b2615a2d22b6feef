"""Revocation."""

from __future__ import annotations

import re
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.servicer.flows import Part
from services.kit import epochs
from services.kit.caller import current_caller
from services.kit.errors import InvalidArgument

_BRAND = re.compile(r"[a-z][a-z0-9-]{1,62}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


class Revocations(Part):
    """Ends what was issued."""

    async def RevokeSubject(self, request: pb.RevokeSubjectRequest, context: Any) -> pb.RevokeSubjectResponse:
        """Raises the epoch of a user, a brand or the organisation."""
        epoch = await self._flows.revocation.revoke(current_caller(), _epoch_name(request))
        return pb.RevokeSubjectResponse(epoch=epoch)


def _epoch_name(request: pb.RevokeSubjectRequest) -> str:
    if request.kind == pb.SUBJECT_KIND_USER and _USER.fullmatch(request.id):
        return epochs.user(request.id)
    if request.kind == pb.SUBJECT_KIND_BRAND and _BRAND.fullmatch(request.id):
        return epochs.brand(request.id)
    if request.kind == pb.SUBJECT_KIND_ORGANISATION and not request.id:
        return epochs.ORGANISATION
    raise InvalidArgument.of("id", "a user id or a brand id; empty for the organisation")
