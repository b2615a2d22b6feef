"""API keys."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth import messages
from services.auth.flows.key_making import Issued
from services.auth.messages import keys as key_messages
from services.auth.servicer.flows import Part
from services.kit.caller import current_caller, current_workload


class ApiKeys(Part):
    """Creates, imports, rotates, revokes and lists them; who uses them; what becomes of a leaked one."""

    async def BootstrapApiKey(self, request: pb.BootstrapApiKeyRequest, context: Any) -> pb.BootstrapApiKeyResponse:
        """The first key of an organisation, or its way back in."""
        issued = await self._flows.keys.bootstrap(request.organisation, request.subject, request.brand)
        return pb.BootstrapApiKeyResponse(api_key=issued.text, key=key_messages.api_key(issued.record))

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Any) -> pb.CreateApiKeyResponse:
        """A key for a member."""
        issued = await self._flows.keys.create(current_caller(), key_messages.wanted(request))
        return pb.CreateApiKeyResponse(api_key=issued.text, key=key_messages.api_key(issued.record))

    async def ImportApiKey(self, request: pb.ImportApiKeyRequest, context: Any) -> pb.ImportApiKeyResponse:
        """A key that was made elsewhere, by its hash."""
        wanted = key_messages.wanted(request)
        record = await self._flows.keys.take_over(current_caller(), wanted, request.sha256, request.last_four)
        return pb.ImportApiKeyResponse(key=key_messages.api_key(record))

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, context: Any) -> pb.RotateApiKeyResponse:
        """A new key in place of an old one."""
        grace = messages.seconds(request.grace) if request.HasField("grace") else None
        issued: Issued = await self._flows.keys.rotate(current_caller(), request.key_id, grace)
        return pb.RotateApiKeyResponse(
            api_key=issued.text,
            key=key_messages.api_key(issued.record),
            old_key_expires_at=messages.moment(issued.old_ends_at),
        )

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Any) -> pb.RevokeApiKeyResponse:
        """Ends a key at once."""
        record = await self._flows.keys.revoke(current_caller(), request.key_id)
        return pb.RevokeApiKeyResponse(key=key_messages.api_key(record))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Any) -> pb.ListApiKeysResponse:
        """One page of keys."""
        after = messages.cursor_of(request.page_token)
        caller = current_caller()
        records, more = await self._flows.keys.page(caller, after, request.page_size)
        last = await self._flows.keys.last_uses(caller, records)
        return pb.ListApiKeysResponse(
            keys=[key_messages.api_key(record, last.get(record.key_id)) for record in records],
            next_page_token=messages.page_token(records[-1]) if more else "",
        )

    async def ListApiKeyUse(self, request: pb.ListApiKeyUseRequest, context: Any) -> pb.ListApiKeyUseResponse:
        """Who used a key."""
        uses = await self._flows.keys.uses_of(current_caller(), request.key_id)
        return pb.ListApiKeyUseResponse(uses=[key_messages.key_use(use) for use in uses])

    async def ReportLeakedKey(self, request: pb.ReportLeakedKeyRequest, context: Any) -> pb.ReportLeakedKeyResponse:
        """One answer, whatever came of it."""
        await self._flows.leaks.report(request.api_key, request.source, current_workload().name)
        return pb.ReportLeakedKeyResponse()

    async def CountKeysByPepper(self, request: pb.CountKeysByPepperRequest, context: Any) -> Any:
        """Which versions are still needed."""
        counts, held = await self._flows.keys.by_pepper()
        return key_messages.peppers(counts, held)


class KeyDecisions(Part):
    """What an organisation decides about its keys."""

    async def GetKeySettings(self, request: pb.GetKeySettingsRequest, context: Any) -> pb.GetKeySettingsResponse:
        """What a leak does."""
        action = await self._flows.key_choices.on_leak(current_caller())
        return pb.GetKeySettingsResponse(on_leak=key_messages.leak_action(action))

    async def PutKeySettings(self, request: pb.PutKeySettingsRequest, context: Any) -> pb.PutKeySettingsResponse:
        """Decides what a leak does."""
        await self._flows.key_choices.set_on_leak(current_caller(), key_messages.on_leak(request.on_leak))
        return pb.PutKeySettingsResponse()

    async def GetKeyWebhook(self, request: pb.GetKeyWebhookRequest, context: Any) -> pb.GetKeyWebhookResponse:
        """Where notices go."""
        return key_messages.webhook(await self._flows.key_choices.target(current_caller()))

    async def PutKeyWebhook(self, request: pb.PutKeyWebhookRequest, context: Any) -> pb.PutKeyWebhookResponse:
        """A target and its secret."""
        secret = await self._flows.key_choices.set_target(current_caller(), request.url)
        return pb.PutKeyWebhookResponse(secret=secret)

    async def DeleteKeyWebhook(self, request: pb.DeleteKeyWebhookRequest, context: Any) -> pb.DeleteKeyWebhookResponse:
        """No more notices."""
        await self._flows.key_choices.delete_target(current_caller())
        return pb.DeleteKeyWebhookResponse()
