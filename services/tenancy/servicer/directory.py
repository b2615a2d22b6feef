"""Brands and members."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import current_call, current_caller
from services.tenancy import messages
from services.tenancy.servicer.core import Part


class Directory(Part):
    """What an organisation manages itself."""

    async def PutBrand(self, request: pb.PutBrandRequest, _: Any) -> pb.PutBrandResponse:
        """Creates or changes a brand."""
        brand = await self._core.directory.put_brand(current_caller(), messages.brand_of(request.brand))
        return pb.PutBrandResponse(brand=messages.brand(brand))

    async def ListBrands(self, request: pb.ListBrandsRequest, _: Any) -> pb.ListBrandsResponse:
        """A page of brands."""
        rows, token = await self._core.directory.list_brands(current_caller(), request.page_size, request.page_token)
        return pb.ListBrandsResponse(brands=map(messages.brand, rows), next_page_token=token)

    async def PutMember(self, request: pb.PutMemberRequest, _: Any) -> pb.PutMemberResponse:
        """Adds a member or sets its roles and brands."""
        member = await self._core.directory.put_member(current_caller(), messages.member_of(request.member))
        return pb.PutMemberResponse(member=messages.member(member))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, _: Any) -> pb.RemoveMemberResponse:
        """Removes a member."""
        existed = await self._core.directory.remove_member(current_caller(), request.user, current_call().token)
        return pb.RemoveMemberResponse(existed=existed)

    async def ListMembers(self, request: pb.ListMembersRequest, _: Any) -> pb.ListMembersResponse:
        """A page of members."""
        rows, token = await self._core.directory.list_members(current_caller(), request.page_size, request.page_token)
        return pb.ListMembersResponse(members=map(messages.member, rows), next_page_token=token)
