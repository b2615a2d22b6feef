"""Brands, members and settings."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import current_call, current_caller
from services.tenancy.messages import directory as messages
from services.tenancy.servicer.core import Part


class Directory(Part):
    """What an organisation manages itself."""

    async def PutBrand(self, request: pb.PutBrandRequest, _: Any) -> pb.PutBrandResponse:
        """Creates or changes a brand."""
        brand = await self._core.directory.put_brand(current_caller(), messages.brand_of(request.brand))
        return pb.PutBrandResponse(brand=messages.brand(brand))

    async def GetBrand(self, request: pb.GetBrandRequest, _: Any) -> pb.GetBrandResponse:
        """One brand."""
        brand = await self._core.directory.get_brand(current_caller(), request.brand)
        return pb.GetBrandResponse(brand=messages.brand(brand))

    async def UpdateBrand(self, request: pb.UpdateBrandRequest, _: Any) -> pb.UpdateBrandResponse:
        """Changes fields of a brand."""
        brand = await self._core.directory.update_brand(current_caller(), messages.brand_update(request))
        return pb.UpdateBrandResponse(brand=messages.brand(brand))

    async def DeleteBrand(self, request: pb.DeleteBrandRequest, _: Any) -> pb.DeleteBrandResponse:
        """Deletes a brand."""
        token = current_call().token
        existed = await self._core.directory.delete_brand(current_caller(), request.brand, request.etag, token)
        return pb.DeleteBrandResponse(existed=existed)

    async def ListBrands(self, request: pb.ListBrandsRequest, _: Any) -> pb.ListBrandsResponse:
        """A page of brands."""
        rows, token = await self._core.directory.list_brands(current_caller(), request.page_size, request.page_token)
        return pb.ListBrandsResponse(brands=map(messages.brand, rows), next_page_token=token)

    async def PutMember(self, request: pb.PutMemberRequest, _: Any) -> pb.PutMemberResponse:
        """Adds a member or sets its roles and brands."""
        member = await self._core.directory.put_member(current_caller(), messages.member_of(request.member))
        return pb.PutMemberResponse(member=messages.member(member))

    async def GetMember(self, request: pb.GetMemberRequest, _: Any) -> pb.GetMemberResponse:
        """One member."""
        member = await self._core.directory.get_member(current_caller(), request.user)
        return pb.GetMemberResponse(member=messages.member(member))

    async def UpdateMember(self, request: pb.UpdateMemberRequest, _: Any) -> pb.UpdateMemberResponse:
        """Changes fields of a member."""
        member = await self._core.directory.update_member(current_caller(), messages.member_update(request))
        return pb.UpdateMemberResponse(member=messages.member(member))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, _: Any) -> pb.RemoveMemberResponse:
        """Removes a member."""
        token = current_call().token
        existed = await self._core.directory.remove_member(current_caller(), request.user, request.etag, token)
        return pb.RemoveMemberResponse(existed=existed)

    async def ListMembers(self, request: pb.ListMembersRequest, _: Any) -> pb.ListMembersResponse:
        """A page of members."""
        rows, token = await self._core.directory.list_members(current_caller(), request.page_size, request.page_token)
        return pb.ListMembersResponse(members=map(messages.member, rows), next_page_token=token)

    async def GetSettings(self, request: pb.GetSettingsRequest, _: Any) -> pb.GetSettingsResponse:
        """The settings."""
        found = await self._core.own_settings.get(current_caller())
        return pb.GetSettingsResponse(settings=messages.settings(found))

    async def UpdateSettings(self, request: pb.UpdateSettingsRequest, _: Any) -> pb.UpdateSettingsResponse:
        """Changes settings."""
        found = await self._core.own_settings.update(current_caller(), messages.settings_update(request))
        return pb.UpdateSettingsResponse(settings=messages.settings(found))
