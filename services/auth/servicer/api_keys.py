"""API keys."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth import messages
from services.auth.flows.key_management import Issued, Wanted
from services.auth.servicer.flows import Part
from services.kit.caller import current_caller


class ApiKeys(Part):
    """Creates, rotates, revokes and lists them."""

    async def BootstrapApiKey(self, request: pb.BootstrapApiKeyRequest, context: Any) -> pb.BootstrapApiKeyResponse:
        """The first key of an organisation."""
        issued = await self._flows.keys.bootstrap(request.organisation, request.subject, request.brand)
        return pb.BootstrapApiKeyResponse(api_key=issued.text, key=messages.api_key(issued.record))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Any) -> pb.CreateApiKeyResponse:
        """A key for a member."""
        wanted = Wanted(
            subject=request.subject,
            brand=request.brand,
            scopes=tuple(request.scopes),
            display_name=request.display_name,
            seconds=messages.seconds(request.ttl) if request.HasField("ttl") else None,
        )
        issued = await self._flows.keys.create(current_caller(), wanted)
        return pb.CreateApiKeyResponse(api_key=issued.text, key=messages.api_key(issued.record))

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, context: Any) -> pb.RotateApiKeyResponse:
        """A new key in place of an old one."""
        grace = messages.seconds(request.grace) if request.HasField("grace") else None
        issued: Issued = await self._flows.keys.rotate(current_caller(), request.key_id, grace)
        return pb.RotateApiKeyResponse(
            api_key=issued.text,
            key=messages.api_key(issued.record),
            old_key_expires_at=messages.moment(issued.old_ends_at),
        )

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Any) -> pb.RevokeApiKeyResponse:
        """Ends a key at once."""
        record = await self._flows.keys.revoke(current_caller(), request.key_id)
        return pb.RevokeApiKeyResponse(key=messages.api_key(record))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Any) -> pb.ListApiKeysResponse:
        """One page of keys."""
        after = messages.cursor_of(request.page_token)
        records, more = await self._flows.keys.page(current_caller(), after, request.page_size)
        return pb.ListApiKeysResponse(
            keys=[messages.api_key(record) for record in records],
            next_page_token=messages.page_token(records[-1]) if more else "",
        )
