"""The caller's permissions, asked of tenancy with the caller's own token: the decision that the caller's own request
would meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as rpc

from services.kit.channels import Client
from services.kit.errors import InvalidArgument, PermissionDenied, Unavailable


@dataclass(frozen=True, slots=True)
class Question:
    """May the caller do this?"""

    action: str
    type: str
    id: str


class Answer(Enum):
    """What tenancy says. Whatever is not a clear allow is one of the refusals."""

    ALLOWED = "allowed"
    NOT_PERMITTED = "not_permitted"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    POLICY_ERROR = "policy_error"


class Permissions(Protocol):
    """Who may do what. Raises `Unavailable` when there is no decision."""

    async def ask(self, token: str, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each question, in order; `token` is the caller's own."""
        ...


_REFUSALS = {
    decision.REASON_ORGANISATION_SUSPENDED: Answer.ORGANISATION_SUSPENDED,
    decision.REASON_POLICY_ERROR: Answer.POLICY_ERROR,
}


class TenancyPermissions:
    """Implements `Permissions` over the tenancy service."""

    def __init__(self, channel: Any, at_most: float) -> None:
        self._stub = rpc.TenancyServiceStub(channel)
        self._client = Client("tenancy")
        self._at_most = at_most

    async def ask(self, token: str, questions: Sequence[Question]) -> list[Answer]:
        """See the port."""
        request = pb.AuthorizeBatchRequest(
            questions=[
                pb.AuthorizeRequest(action=asked.action, resource=pb.Resource(type=asked.type, id=asked.id))
                for asked in questions
            ]
        )
        try:
            answer: pb.AuthorizeBatchResponse = await self._client.call(
                self._stub.AuthorizeBatch, request, at_most=self._at_most, token=token, name="tenancy.AuthorizeBatch"
            )
        except InvalidArgument:  # the request is ours: nobody's field is wrong but this module's
            raise Unavailable("tenancy") from None
        if len(answer.answers) != len(questions):
            raise Unavailable("tenancy")
        return [_answer(each) for each in answer.answers]


async def demand(permissions: Permissions, token: str, action: str, organisation: str) -> None:
    """Raises PermissionDenied unless the caller may do this to the organisation."""
    said = await permissions.ask(token, [Question(action, "Organisation", organisation)])
    if said != [Answer.ALLOWED]:
        refusal = said[0] if said and said[0] is not Answer.ALLOWED else Answer.NOT_PERMITTED
        raise PermissionDenied("this caller has no permission to do that", reason=refusal.name)


def _answer(message: pb.AuthorizeResponse) -> Answer:
    if message.outcome == decision.OUTCOME_ALLOW:
        return Answer.ALLOWED
    return _REFUSALS.get(message.reason, Answer.NOT_PERMITTED)
