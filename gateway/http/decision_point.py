"""AuthZEN 1.0 over tenancy: the caller's own permissions, asked in that standard's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from gateway.edge.openai import strict
from gateway.http import authzen
from gateway.http.authzen import Question, WrongRequest
from gateway.http.entrance import Guest
from gateway.http.web import JSON_TYPE, HttpError
from services.kit.channels import Client
from services.kit.errors import Unavailable

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
CONFIGURATION = "/.well-known/authzen-configuration"
_BUDGET = 5.0
_ANOTHER = "subject_is_not_the_caller"
_UNKNOWN = decision.Reason.Name(decision.REASON_NOT_PERMITTED).removeprefix("REASON_").lower()


class DecisionPoint:
    """Answers evaluations."""

    def __init__(self, channel: Any, words: authzen.Words) -> None:
        self._tenancy = tenancy_grpc.TenancyServiceStub(channel("tenancy"))
        self._client = Client("tenancy")
        self._words = words

    async def evaluation(self, guest: Guest, body: bytes, content_type: str) -> Mapping[str, Any]:
        """One decision; raises HttpError for a request that asks nothing."""
        data = _read(body, content_type)
        try:
            question = authzen.question_of(data)
        except WrongRequest as error:
            raise _bad(error) from None
        return (await self._decided(guest, [question]))[0]

    async def evaluations(self, guest: Guest, body: bytes, content_type: str) -> Mapping[str, Any]:
        """Decisions in order; one alone when there is no list."""
        data = _read(body, content_type)
        try:
            batch = authzen.batch_of(data)
        except WrongRequest as error:
            raise _bad(error) from None
        if batch is None:
            return await self.evaluation(guest, body, content_type)
        return {"evaluations": authzen.shortened(await self._decided(guest, batch.questions), batch.ends_at)}

    async def _decided(self, guest: Guest, questions: Sequence[Question | WrongRequest]) -> list[authzen.Json]:
        answers: list[authzen.Json] = []
        asked: list[tuple[int, tenancy.AuthorizeRequest]] = []
        for place, question in enumerate(questions):
            if isinstance(question, WrongRequest):
                answers.append(authzen.wrong(question))
                continue
            known = self._words.translated(question)
            answers.append(authzen.refusal(_UNKNOWN))
            if not _is_caller(question, guest.principal):
                answers[-1] = authzen.refusal(_ANOTHER)
            elif known is not None:
                action, kind, name = known
                resource = tenancy.Resource(type=kind, id=name)
                asked.append((place, tenancy.AuthorizeRequest(action=action, resource=resource)))
        if asked:
            found = await self._ask(guest, [request for _, request in asked])
            for (place, _), answer in zip(asked, found, strict=True):
                answers[place] = _said(answer)
        return answers

    async def _ask(self, guest: Guest, requests: list[tenancy.AuthorizeRequest]) -> list[tenancy.AuthorizeResponse]:
        question = tenancy.AuthorizeBatchRequest(questions=requests)
        answer: tenancy.AuthorizeBatchResponse = await self._client.call(
            self._tenancy.AuthorizeBatch, question, at_most=_BUDGET, token=guest.token, name="tenancy.AuthorizeBatch"
        )
        if len(answer.answers) != len(requests):  # of two answers, which is whose?
            raise Unavailable("tenancy")
        return list(answer.answers)


def configuration(base: str) -> dict[str, str]:
    """What this decision point offers, by its address."""
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}{EVALUATION}",
        "access_evaluations_endpoint": f"{base}{EVALUATIONS}",
    }


def _is_caller(question: Question, caller: auth.Principal) -> bool:
    return question.subject == (authzen.USER, caller.subject)


def _said(answer: tenancy.AuthorizeResponse) -> authzen.Json:
    allowed = answer.outcome == decision.OUTCOME_ALLOW
    context: dict[str, Any] = {"policy_version": answer.policy_version}
    if not allowed:
        context["reason"] = decision.Reason.Name(answer.reason).removeprefix("REASON_").lower()
    if answer.policies:  # only for whom the details are meant
        context["policies"] = list(answer.policies)
    return {"decision": allowed, "context": context}


def _read(body: bytes, content_type: str) -> strict.Json:
    if content_type.partition(";")[0].strip().lower() != JSON_TYPE:
        raise HttpError(HTTPStatus.BAD_REQUEST, "unsupported_media_type", f"the body is not {JSON_TYPE}")
    try:
        return strict.read(body)
    except strict.Refused as error:
        raise HttpError(HTTPStatus.BAD_REQUEST, error.code, error.message) from None


def _bad(error: WrongRequest) -> HttpError:
    return HttpError(
        HTTPStatus.BAD_REQUEST,
        "invalid_request",
        f"{error.member} is wrong",
        more={"violations": [{"field": error.member, "rule": error.rule}]},
    )
