"""TenancyService over gRPC: translates messages, and leaves every decision to the core."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as stubs

from services.kit.caller import Caller, current_caller
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound
from services.kit.telemetry import Attr, span
from services.tenancy import messages
from services.tenancy.directory import Directory
from services.tenancy.policy import Decision, Engine, authorize, locate, resolve
from services.tenancy.ports import FactsReader, Lifecycle, TenancyStore

EXPLAIN = "decisions.explain"
_TURN = 16


class TenancyServicer(stubs.TenancyServiceServicer):
    """The methods that this version serves; the boundary answers UNIMPLEMENTED for the others."""

    def __init__(
        self,
        engine: Engine,
        remembered: FactsReader,
        store: TenancyStore,
        lifecycle: Lifecycle,
        directory: Directory,
        plans: Collection[str],
    ) -> None:
        self._engine = engine
        self._remembered = remembered
        self._store = store
        self._lifecycle = lifecycle
        self._directory = directory
        self._plans = frozenset(plans)

    async def Authorize(self, request: pb.AuthorizeRequest, _: Any) -> pb.AuthorizeResponse:
        """One question."""
        caller = current_caller()
        (decision,) = await self._decide(caller, [request])
        return self._answer(caller, decision)

    async def AuthorizeBatch(self, request: pb.AuthorizeBatchRequest, _: Any) -> pb.AuthorizeBatchResponse:
        """Many questions of one caller: one reading of the facts at most."""
        caller = current_caller()
        decisions = await self._decide(caller, request.questions)
        return pb.AuthorizeBatchResponse(answers=[self._answer(caller, decision) for decision in decisions])

    async def ResolvePrincipal(self, request: pb.ResolvePrincipalRequest, _: Any) -> pb.ResolvePrincipalResponse:
        """What auth puts into a token. Read now: auth remembers it, and ages must not add up."""
        found = resolve(*await self._store.principal(current_caller(), request.brand))
        return messages.resolved(found)

    async def CreateOrganisation(self, request: pb.CreateOrganisationRequest, _: Any) -> pb.CreateOrganisationResponse:
        """Lifecycle: a new organisation."""
        self._check_plan(request.plan)
        made = await self._lifecycle.create(
            request.organisation, request.display_name, request.plan, request.first_brand, request.first_admin
        )
        if made is None:
            raise AlreadyExists("organisation")
        self._remembered.forget(request.organisation)
        return pb.CreateOrganisationResponse(organisation=messages.organisation(made))

    async def GetOrganisation(self, request: pb.GetOrganisationRequest, _: Any) -> pb.GetOrganisationResponse:
        """Lifecycle: its facts."""
        found = await self._lifecycle.get(request.organisation)
        if found is None:
            raise NotFound("organisation")
        return pb.GetOrganisationResponse(organisation=messages.organisation(found))

    async def UpdateOrganisation(self, request: pb.UpdateOrganisationRequest, _: Any) -> pb.UpdateOrganisationResponse:
        """Lifecycle: plan and status."""
        if request.plan:
            self._check_plan(request.plan)
        try:
            found = await self._lifecycle.update(
                request.organisation, request.plan or None, messages.STATUS_OF.get(request.status)
            )
        finally:
            self._remembered.forget(request.organisation)
        if found is None:
            raise NotFound("organisation")
        return pb.UpdateOrganisationResponse(organisation=messages.organisation(found))

    async def PutBrand(self, request: pb.PutBrandRequest, _: Any) -> pb.PutBrandResponse:
        """Creates or changes a brand."""
        brand = await self._directory.put_brand(current_caller(), messages.brand_of(request.brand))
        return pb.PutBrandResponse(brand=messages.brand(brand))

    async def ListBrands(self, request: pb.ListBrandsRequest, _: Any) -> pb.ListBrandsResponse:
        """A page of brands."""
        rows, token = await self._directory.list_brands(current_caller(), request.page_size, request.page_token)
        return pb.ListBrandsResponse(brands=map(messages.brand, rows), next_page_token=token)

    async def PutMember(self, request: pb.PutMemberRequest, _: Any) -> pb.PutMemberResponse:
        """Adds a member or sets its roles and brands."""
        member = await self._directory.put_member(current_caller(), messages.member_of(request.member))
        return pb.PutMemberResponse(member=messages.member(member))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, _: Any) -> pb.RemoveMemberResponse:
        """Removes a member."""
        return pb.RemoveMemberResponse(existed=await self._directory.remove_member(current_caller(), request.user))

    async def ListMembers(self, request: pb.ListMembersRequest, _: Any) -> pb.ListMembersResponse:
        """A page of members."""
        rows, token = await self._directory.list_members(current_caller(), request.page_size, request.page_token)
        return pb.ListMembersResponse(members=map(messages.member, rows), next_page_token=token)

    async def _decide(self, caller: Caller, questions: Sequence[pb.AuthorizeRequest]) -> list[Decision]:
        brands = {question.resource.id for question in questions if question.resource.type == "Brand"}
        facts = await self._remembered.facts(caller, brands)
        decisions: list[Decision] = []
        with span("cedar", {Attr.POLICY_VERSION: self._engine.version}):
            for question in questions:
                resource = locate(caller.organisation, question.resource.type, question.resource.id, facts.brands)
                decisions.append(authorize(self._engine, facts.standing, question.action, resource, caller.scopes))
                if len(decisions) % _TURN == 0:  # Cedar holds the interpreter: a long batch lets others in between
                    await asyncio.sleep(0)
        return decisions

    def _answer(self, caller: Caller, decision: Decision) -> pb.AuthorizeResponse:
        return messages.answer(decision, self._engine.version, explain=EXPLAIN in caller.scopes)

    def _check_plan(self, plan: str) -> None:
        if plan not in self._plans:
            raise InvalidArgument.of("plan", f"must be one of {', '.join(sorted(self._plans))}")
