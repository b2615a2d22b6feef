"""Authorize, AuthorizeBatch and ResolvePrincipal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller, current_caller
from services.kit.telemetry import Attr, span
from services.tenancy import messages
from services.tenancy.policy import Decision, authorize, locate, resolve
from services.tenancy.servicer.core import Part

EXPLAIN = "decisions.explain"
_TURN = 16


class Decisions(Part):
    """May the caller do this?"""

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
        found = resolve(*await self._core.store.principal(current_caller(), request.brand))
        return messages.resolved(found)

    async def _decide(self, caller: Caller, questions: Sequence[pb.AuthorizeRequest]) -> list[Decision]:
        brands = {question.resource.id for question in questions if question.resource.type == "Brand"}
        facts = await self._core.remembered.facts(caller, brands)
        decisions: list[Decision] = []
        with span("cedar", {Attr.POLICY_VERSION: self._core.engine.version}):
            for question in questions:
                resource = locate(caller.organisation, question.resource.type, question.resource.id, facts.brands)
                decisions.append(authorize(self._core.engine, facts.standing, question.action, resource, caller.scopes))
                if len(decisions) % _TURN == 0:  # Cedar holds the interpreter: a long batch lets others in between
                    await asyncio.sleep(0)
        return decisions

    def _answer(self, caller: Caller, decision: Decision) -> pb.AuthorizeResponse:
        return messages.answer(decision, self._core.engine.version, explain=EXPLAIN in caller.scopes)
