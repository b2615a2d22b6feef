"""The browser edge of a brand."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2

from services.auth import messages
from services.auth.flows.edge import Kept
from services.auth.policy.challenges import OnOutage, Provider, Widget
from services.auth.policy.edge import EdgeRules
from services.auth.policy.edge_headers import Miss, Question
from services.auth.servicer.flows import Part
from services.kit.caller import current_caller

_ON_OUTAGE = {pb.OUTAGE_POLICY_STEP_UP: OnOutage.STEP_UP}
_OUTAGE_POLICIES = {OnOutage.DENY: pb.OUTAGE_POLICY_DENY, OnOutage.STEP_UP: pb.OUTAGE_POLICY_STEP_UP}


class Edge(Part):
    """Who may call from a browser, and what its pages may do."""

    async def ResolveOrigin(self, request: pb.ResolveOriginRequest, context: Any) -> pb.ResolveOriginResponse:
        """One decision for all of a page's headers."""
        edge = self._flows.edge
        question = Question(request.origin, request.method, tuple(request.headers))
        found = await edge.edges.resolve(request.organisation, request.brand, question, request.client_address)
        headers = found.resolved.headers
        if found.resolved.miss is not Miss.NONE:
            reason = decision_pb2.REASON_NOT_PERMITTED
            return pb.ResolveOriginResponse(outcome=decision_pb2.OUTCOME_DENY, reason=reason, headers=headers)
        answer = pb.ResolveOriginResponse(
            outcome=decision_pb2.OUTCOME_ALLOW, reason=decision_pb2.REASON_NONE, headers=headers, nonce=found.nonce
        )
        if found.widget is not None:
            answer.widget.CopyFrom(
                pb.WidgetView(
                    provider=found.widget.provider.value,
                    site_key=found.widget.site_key,
                    cdata=next(iter(edge.passes.cdatas(request.organisation, request.brand, request.binding)), ""),
                    required=edge.asking.of_visitor(request.client_address, request.risk),
                )
            )
        return answer

    async def PutBrandEdge(self, request: pb.PutBrandEdgeRequest, context: Any) -> pb.PutBrandEdgeResponse:
        """Replaces a brand's rules."""
        wanted = request.edge
        kept = await self._flows.edge.edges.put(current_caller(), wanted.brand, _rules(wanted), wanted.challenge.secret)
        return pb.PutBrandEdgeResponse(edge=_edge(wanted.brand, kept), version=kept.version)

    async def GetBrandEdge(self, request: pb.GetBrandEdgeRequest, context: Any) -> pb.GetBrandEdgeResponse:
        """A brand's rules."""
        kept = await self._flows.edge.edges.get(current_caller(), request.brand)
        return pb.GetBrandEdgeResponse(edge=_edge(request.brand, kept), version=kept.version)


def _rules(edge: pb.BrandEdge) -> EdgeRules:
    challenge = edge.challenge
    widget = (
        Widget(
            provider=Provider(challenge.provider),
            site_key=challenge.site_key,
            hostnames=frozenset(challenge.hostnames),
            actions=frozenset(challenge.actions),
            environment=challenge.environment or "live",
            on_outage=_ON_OUTAGE.get(challenge.on_outage, OnOutage.DENY),
        )
        if edge.HasField("challenge")
        else None
    )
    return EdgeRules(
        origins=frozenset(edge.origins),
        methods=tuple(edge.methods),
        headers=tuple(edge.headers),
        credentials=edge.credentials,
        max_age=int(messages.seconds(edge.max_age)),
        sources={source.directive: tuple(source.values) for source in edge.sources},
        report=edge.report_endpoint,
        widget=widget,
    )


def _edge(brand: str, kept: Kept) -> pb.BrandEdge:
    rules, widget = kept.rules, kept.rules.widget
    edge = pb.BrandEdge(
        brand=brand,
        origins=sorted(rules.origins),
        methods=rules.methods,
        headers=rules.headers,
        credentials=rules.credentials,
        sources=[pb.ContentSource(directive=name, values=values) for name, values in rules.sources.items()],
        report_endpoint=rules.report,
    )
    edge.max_age.FromSeconds(rules.max_age)
    if widget is not None:
        edge.challenge.CopyFrom(
            pb.ChallengeWidget(
                provider=widget.provider.value,
                site_key=widget.site_key,
                hostnames=sorted(widget.hostnames),
                actions=sorted(widget.actions),
                environment=widget.environment,
                on_outage=_OUTAGE_POLICIES[widget.on_outage],
                previous_secret_until=None if kept.previous_until is None else messages.moment(kept.previous_until),
            )
        )
    return edge
