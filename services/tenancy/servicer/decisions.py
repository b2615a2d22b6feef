"""Authorize, AuthorizeBatch and ResolvePrincipal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller, current_caller
from services.kit.telemetry import Attr, span
from services.tenancy import messages
from services.tenancy.flows.given import circumstances
from services.tenancy.policy import Decision, Resource, authorize_all, locate, resolve
from services.tenancy.ports.resources import Found
from services.tenancy.servicer.core import Part

EXPLAIN = "decisions.explain"
_TURN = 25


class Decisions(Part):
    """May the caller do this?"""

    async def Authorize(self, request: pb.AuthorizeRequest, _: Any) -> pb.AuthorizeResponse:
        """One question."""
        caller = current_caller()
        version, (decision,) = await self._decide(caller, [request])
        return _answer(caller, version, decision)

    async def AuthorizeBatch(self, request: pb.AuthorizeBatchRequest, _: Any) -> pb.AuthorizeBatchResponse:
        """Many questions of one caller: one reading of the facts at most."""
        caller = current_caller()
        async with self._core.turns.of(caller.organisation):
            version, decisions = await self._decide(caller, request.questions)
        return pb.AuthorizeBatchResponse(answers=[_answer(caller, version, decision) for decision in decisions])

    async def ResolvePrincipal(self, request: pb.ResolvePrincipalRequest, _: Any) -> pb.ResolvePrincipalResponse:
        """What auth puts into a token. Read now: auth remembers it, and ages must not add up."""
        found = resolve(*await self._core.store.principal(current_caller(), request.brand))
        return messages.resolved(found)

    async def _decide(self, caller: Caller, questions: Sequence[pb.AuthorizeRequest]) -> tuple[str, list[Decision]]:
        brands = {question.resource.id for question in questions if question.resource.type == "Brand"}
        facts = await self._core.remembered.facts(caller, brands)
        engine = await self._core.policies.engine(caller, facts.standing)
        given = circumstances(caller, facts.standing, self._core.clock.now())
        kept = await self._core.resources.resolve(caller, {(q.resource.type, q.resource.id) for q in questions})
        asked = [(q.action, _located(caller, q.resource, facts.brands, kept)) for q in questions]
        decisions: list[Decision] = []
        with span("cedar", {Attr.POLICY_VERSION: engine.version}):
            for start in range(0, len(asked), _TURN):
                if start:  # Cedar holds the interpreter: a long batch lets others in between
                    await asyncio.sleep(0)
                decisions += authorize_all(engine, facts.standing, asked[start : start + _TURN], given)
        self._core.trials.offer(caller, facts.standing, asked, decisions, given)
        return engine.version, decisions


def _located(caller: Caller, wanted: pb.Resource, brands: frozenset[str], kept: Found) -> Resource | None:
    found = locate(caller.organisation, wanted.type, wanted.id, brands)
    return found or kept.get((wanted.type, wanted.id))


def _answer(caller: Caller, version: str, decision: Decision) -> pb.AuthorizeResponse:
    return messages.answer(decision, version, explain=EXPLAIN in caller.scopes)
