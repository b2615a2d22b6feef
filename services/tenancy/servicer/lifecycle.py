"""The operator's doors."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit import pages
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.tenancy.flows.masks import chosen
from services.tenancy.flows.permits import after
from services.tenancy.messages import directory as messages
from services.tenancy.servicer.core import Part

_FIELDS = frozenset({"display_name", "plan", "status"})
_KEPT = frozenset({"organisation", "created_at", "updated_at", "etag"})


class Lifecycle(Part):
    """Organisations come, change plan, are suspended."""

    async def CreateOrganisation(self, request: pb.CreateOrganisationRequest, _: Any) -> pb.CreateOrganisationResponse:
        """Lifecycle: a new organisation."""
        self._check_plan(request.plan)
        made = await self._core.lifecycle.create(
            request.organisation,
            request.display_name,
            request.plan,
            request.first_brand,
            request.first_admin,
            request.request_id,
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

    async def ListOrganisations(self, request: pb.ListOrganisationsRequest, _: Any) -> pb.ListOrganisationsResponse:
        """Lifecycle: a page of facts."""
        size = pages.page_size(request.page_size)
        rows = await self._core.lifecycle.list(after("organisations", request.page_token), size + 1)
        shown = [messages.organisation(facts) for facts in rows[:size]]
        token = pages.encode("organisations", shown[-1].organisation) if len(rows) > size else ""
        return pb.ListOrganisationsResponse(organisations=shown, next_page_token=token)

    async def UpdateOrganisation(self, request: pb.UpdateOrganisationRequest, _: Any) -> pb.UpdateOrganisationResponse:
        """Lifecycle: name, plan and status."""
        filled = {field for field in _FIELDS if getattr(request, field)}
        fields = chosen(request.update_mask.paths, _FIELDS, _KEPT, filled)
        if "plan" in fields:
            self._check_plan(request.plan)
        status = messages.STATUS_OF.get(request.status)
        if "status" in fields and status is None:
            raise InvalidArgument.of("status", "must be ACTIVE or SUSPENDED")
        try:
            found = await self._core.lifecycle.update(
                request.organisation,
                request.display_name if "display_name" in fields else None,
                request.plan if "plan" in fields else None,
                status if "status" in fields else None,
                request.etag,
            )
        finally:
            self._core.remembered.forget(request.organisation)
        if found is None:
            raise NotFound("organisation")
        return pb.UpdateOrganisationResponse(organisation=messages.organisation(found))

    async def ListPlans(self, request: pb.ListPlansRequest, _: Any) -> pb.ListPlansResponse:
        """The plans of the deployment's settings."""
        start, size = after("plans", request.page_token), pages.page_size(request.page_size)
        names = sorted(plan for plan in self._core.plans if plan > start)
        token = pages.encode("plans", names[size - 1]) if len(names) > size else ""
        return pb.ListPlansResponse(plans=[pb.Plan(plan=name) for name in names[:size]], next_page_token=token)

    def _check_plan(self, plan: str) -> None:
        if plan not in self._core.plans:
            raise InvalidArgument.of("plan", f"must be one of {', '.join(sorted(self._core.plans))}")
