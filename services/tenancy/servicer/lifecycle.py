"""The operator's doors."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.tenancy import messages
from services.tenancy.servicer.core import Part


class Lifecycle(Part):
    """Organisations come, change plan, are suspended."""

    async def CreateOrganisation(self, request: pb.CreateOrganisationRequest, _: Any) -> pb.CreateOrganisationResponse:
        """Lifecycle: a new organisation."""
        self._check_plan(request.plan)
        made = await self._core.lifecycle.create(
            request.organisation, request.display_name, request.plan, request.first_brand, request.first_admin
        )
        if made is None:
            raise AlreadyExists("organisation")
        self._core.remembered.forget(request.organisation)
        return pb.CreateOrganisationResponse(organisation=messages.organisation(made))

    async def GetOrganisation(self, request: pb.GetOrganisationRequest, _: Any) -> pb.GetOrganisationResponse:
        """Lifecycle: its facts."""
        found = await self._core.lifecycle.get(request.organisation)
        if found is None:
            raise NotFound("organisation")
        return pb.GetOrganisationResponse(organisation=messages.organisation(found))

    async def UpdateOrganisation(self, request: pb.UpdateOrganisationRequest, _: Any) -> pb.UpdateOrganisationResponse:
        """Lifecycle: plan and status."""
        if request.plan:
            self._check_plan(request.plan)
        try:
            found = await self._core.lifecycle.update(
                request.organisation, request.plan or None, messages.STATUS_OF.get(request.status)
            )
        finally:
            self._core.remembered.forget(request.organisation)
        if found is None:
            raise NotFound("organisation")
        return pb.UpdateOrganisationResponse(organisation=messages.organisation(found))

    def _check_plan(self, plan: str) -> None:
        if plan not in self._core.plans:
            raise InvalidArgument.of("plan", f"must be one of {', '.join(sorted(self._core.plans))}")
