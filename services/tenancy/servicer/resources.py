"""Resources, and the filter under which a caller's own store must be read."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import Caller, current_caller
from services.kit.errors import InvalidArgument
from services.tenancy import messages
from services.tenancy.policy import Cause, Resource
from services.tenancy.policy.filters import (
    Always,
    Among,
    BadColumnError,
    Both,
    Either,
    Except,
    Field,
    Filter,
    Labelled,
    Placeholder,
    to_sql,
)
from services.tenancy.policy.retrieval import Plan, Reach
from services.tenancy.ports.resources import Listed
from services.tenancy.servicer.core import Part

_FIELDS = {
    pb.RESOURCE_FIELD_ORGANISATION: Field.ORGANISATION,
    pb.RESOURCE_FIELD_ID: Field.ID,
    pb.RESOURCE_FIELD_OWNER: Field.OWNER,
    pb.RESOURCE_FIELD_BRAND: Field.BRAND,
    pb.RESOURCE_FIELD_LABELS: Field.LABELS,
}
_FIELD_CODES = {field: code for code, field in _FIELDS.items()}
_REACHES = {
    Reach.NOTHING: pb.RETRIEVAL_REACH_NOTHING,
    Reach.ORGANISATION: pb.RETRIEVAL_REACH_ORGANISATION,
    Reach.CONDITIONAL: pb.RETRIEVAL_REACH_CONDITIONAL,
}
_LONGEST = 1_000_000


class Resources(Part):
    """Who owns what, and what of it a caller may read."""

    async def PutResources(self, request: pb.PutResourcesRequest, _: Any) -> pb.PutResourcesResponse:
        """Creates or replaces facts."""
        caller = current_caller()
        own = [Resource(r.type, r.id, caller.organisation, caller.subject, caller.brand) for r in request.resources]
        given = [_resource(caller, facts) for facts in request.facts]
        return pb.PutResourcesResponse(stored=await self._core.resources.put(caller, [*own, *given]))

    async def GetResource(self, request: pb.GetResourceRequest, _: Any) -> pb.GetResourceResponse:
        """The facts of one resource."""
        wanted = request.resource
        found = await self._core.resources.get(current_caller(), (wanted.type, wanted.id))
        return pb.GetResourceResponse(facts=_facts(found))

    async def ListResources(self, request: pb.ListResourcesRequest, _: Any) -> pb.ListResourcesResponse:
        """A page of what the caller may read."""
        rows, token, partial = await self._core.resources.list(
            current_caller(), request.type, request.page_size, request.page_token
        )
        return pb.ListResourcesResponse(facts=map(_facts, rows), next_page_token=token, partial=partial)

    async def DeleteResources(self, request: pb.DeleteResourcesRequest, _: Any) -> pb.DeleteResourcesResponse:
        """Forgets resources."""
        refs = {(wanted.type, wanted.id) for wanted in request.resources}
        return pb.DeleteResourcesResponse(deleted=await self._core.resources.delete(current_caller(), refs))

    async def PlanRetrieval(self, request: pb.PlanRetrievalRequest, _: Any) -> pb.PlanRetrievalResponse:
        """What may be read, as data and as SQL."""
        judgement = await self._core.judge.remembered(current_caller())
        found = judgement.plan(request.action, request.resource_type)
        return _planned(found, judgement.engine.version, request)


def _planned(found: Plan, version: str, request: pb.PlanRetrievalRequest) -> pb.PlanRetrievalResponse:
    style = Placeholder.FORMAT if request.placeholders == pb.PLACEHOLDER_STYLE_FORMAT else Placeholder.NUMBERED
    columns = {_FIELDS[column.field]: column.column for column in request.columns if column.field in _FIELDS}
    try:
        sql, parameters = to_sql(found.filter, columns, style)
    except BadColumnError:  # the contract refuses it before
        raise InvalidArgument.of("columns.column", "must be the name of a column") from None
    if found.reach is Reach.NOTHING or len(sql) > _LONGEST:
        cause = found.cause if found.reach is Reach.NOTHING else Cause.POLICY_ERROR
        return pb.PlanRetrievalResponse(
            outcome=common.OUTCOME_DENY,
            sql="FALSE",
            reach=pb.RETRIEVAL_REACH_NOTHING,
            filter=pb.RetrievalFilter(operator=pb.FILTER_OPERATOR_NEVER),
            partial=found.partial,
            reason=messages.REASONS[cause],
            policy_version=version,
        )
    return pb.PlanRetrievalResponse(
        outcome=common.OUTCOME_ALLOW,
        sql=sql,
        parameters=parameters,
        reach=_REACHES[found.reach],
        filter=filter_message(found.filter),
        partial=found.partial,
        reason=common.REASON_NONE,
        policy_version=version,
    )


def filter_message(chosen: Filter) -> pb.RetrievalFilter:
    """A filter as data."""
    match chosen:
        case Always(value):
            return pb.RetrievalFilter(operator=pb.FILTER_OPERATOR_ALWAYS if value else pb.FILTER_OPERATOR_NEVER)
        case Among(field, values):
            operator = pb.FILTER_OPERATOR_EQUAL if len(values) == 1 else pb.FILTER_OPERATOR_IN
            return pb.RetrievalFilter(operator=operator, field=_FIELD_CODES[field], values=values)
        case Labelled(label):
            return pb.RetrievalFilter(
                operator=pb.FILTER_OPERATOR_CONTAINS, field=pb.RESOURCE_FIELD_LABELS, values=[label]
            )
        case Both(parts):
            return pb.RetrievalFilter(operator=pb.FILTER_OPERATOR_AND, parts=map(filter_message, parts))
        case Either(parts):
            return pb.RetrievalFilter(operator=pb.FILTER_OPERATOR_OR, parts=map(filter_message, parts))
        case Except(part):
            return pb.RetrievalFilter(operator=pb.FILTER_OPERATOR_NOT, parts=[filter_message(part)])


def _resource(caller: Caller, facts: pb.ResourceFacts) -> Resource:
    """Facts as they are asked for: always of the caller's organisation."""
    named = facts.resource
    return Resource(named.type, named.id, caller.organisation, facts.owner, facts.brand, frozenset(facts.labels))


def _facts(listed: Listed) -> pb.ResourceFacts:
    resource = listed.resource
    message = pb.ResourceFacts(
        resource=pb.Resource(type=resource.type, id=resource.id),
        owner=resource.owner,
        brand=resource.brand,
        labels=sorted(resource.labels),
    )
    if listed.changed_at:
        stamp = Timestamp()
        stamp.FromMilliseconds(round(listed.changed_at * 1000))
        message.changed_at.CopyFrom(stamp)
    return message
