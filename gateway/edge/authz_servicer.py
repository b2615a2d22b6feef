"""Envoy's ext_authz: translates between its contract and the front of the chain."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Any

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb
from hauberk.envoy.auth.v3 import external_auth_pb2_grpc as grpc_pb
from opentelemetry import trace
from opentelemetry.propagate import extract

from gateway.answers import Decision, header_fields
from gateway.edge import authz_answers as answers
from gateway.edge.authz import Authz, EdgeWork, asked
from gateway.edge.credentials import Shapes, must_be_listed, presented
from gateway.edge.headers import Headers, HeadersError, host_name, read, whole
from gateway.edge.problem import Problem, problem, problem_of
from gateway.edge.rules import EdgeRules, Edges
from gateway.replies import Listener, Replies
from services.kit.caller import current_workload
from services.kit.errors import DeadlineExceeded, KitError, PermissionDenied, Unavailable

BRAND, THEN = "hauberk.brand", "hauberk.then"
"""What a route may say (`context_extensions`): the brand that it is for, and `ext_proc` where bodies are read later."""
EXT_PROC = "ext_proc"
_UNREADABLE = "The request cannot be read in one way alone."


class AuthzServicer(grpc_pb.AuthorizationServicer):
    """Serves `Check`."""

    def __init__(self, authz: Authz, edges: Edges, replies: Replies, api_key_prefix: str) -> None:
        self._authz = authz
        self._edges = edges
        self._replies = replies
        self._prefix = api_key_prefix

    async def Check(self, request: pb.CheckRequest, _context: Any) -> pb.CheckResponse:
        """May this request pass, and who is asking?"""
        workload = current_workload().name
        rules = self._edges.of(workload)
        try:
            return await self._checked(request.attributes, rules, workload)
        except PermissionDenied:  # of this Envoy, not of its client
            raise
        except (KitError, TimeoutError) as error:
            spent = isinstance(error, DeadlineExceeded | TimeoutError)
            reason = decision.REASON_DEADLINE_SPENT if spent else decision.REASON_STAGE_UNAVAILABLE
            made = Decision(decision.OUTCOME_DENY, reason, "", getattr(error, "retry_after", None) or 0.0, True)
            return answers.undecided(self._problem(made, EdgeWork(asked(None, "", "", "", ""), workload), ""))

    async def _checked(self, seen: pb.AttributeContext, rules: EdgeRules, workload: str) -> pb.CheckResponse:
        http = seen.request.http
        try:
            headers = whole(read(answers.pairs(http)))
            _same_trace(headers)
            credential = presented(headers, http.method, Shapes(self._prefix, rules.cookie))
        except HeadersError:
            return await self._unreadable(seen, rules, workload)
        brand = rules.brand_of(host_name(http.host), seen.context_extensions.get(BRAND, ""))
        request = asked(credential, brand or "", headers.get("origin"), _address(seen), headers.get("user-agent"))
        work = EdgeWork(
            request,
            workload,
            action=rules.action,
            limited=rules.limit == "request",
            to_be_listed=must_be_listed(headers, http.method, http.host),
            handed_on=seen.context_extensions.get(THEN) == EXT_PROC,
            unreadable=brand is None,
        )
        made = await self._authz.decide(work)
        limits = header_fields(work.decided.header_fields, made)
        if made.allowed:
            fields = answers.identity_fields(work.principal, work.txn)
            token = work.token if work.handed_on else ""
            return answers.allowed(fields, headers, rules, limits, token, work.txn)
        said = self._problem(made, work, headers.get("accept-language"))
        return answers.undecided(said) if _undecided(made) else answers.denied(said, rules, limits)

    async def _unreadable(self, seen: pb.AttributeContext, rules: EdgeRules, workload: str) -> pb.CheckResponse:
        work = EdgeWork(asked(None, "", "", _address(seen), ""), workload, unreadable=True)
        await self._authz.decide(work)
        said = problem(HTTPStatus.BAD_REQUEST, "ambiguous_request", _UNREADABLE, work.txn)
        return answers.denied(said, rules, {})

    def _problem(self, made: Decision, work: EdgeWork, languages: str) -> Problem:
        listener = Listener(work.principal.organisation, work.principal.brand, languages.partition(",")[0].strip())
        return problem_of(made, self._replies.reply(made.reason, made.retry_after, listener).text, work.txn)


def _undecided(made: Decision) -> bool:
    return made.reason in (decision.REASON_STAGE_UNAVAILABLE, decision.REASON_DEADLINE_SPENT)


def _address(seen: pb.AttributeContext) -> str:
    """Raises Unavailable without one: limits by address would count nobody."""
    try:
        found = ipaddress.ip_address(seen.source.address.socket_address.address)
    except ValueError:
        raise Unavailable("envoy") from None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found).partition("%")[0]


def _same_trace(headers: Headers) -> None:
    """Envoy's own trace comes with the call; where it has none, the client's is at least linked."""
    active = trace.get_current_span()
    told = headers.get("traceparent")
    if not told or not active.is_recording():
        return
    theirs = trace.get_current_span(extract({"traceparent": told})).get_span_context()
    if theirs.is_valid and theirs.trace_id != active.get_span_context().trace_id:
        active.add_link(theirs)
