"""The caller's permissions, asked of tenancy with the caller's own token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hauberk.common.v1 import decision_pb2 as decision
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as rpc

from services.guardrail.ports import Answer, Question
from services.kit.channels import Client
from services.kit.errors import InvalidArgument, Unavailable

_REFUSALS = {
    decision.REASON_ORGANISATION_SUSPENDED: Answer.ORGANISATION_SUSPENDED,
    decision.REASON_POLICY_ERROR: Answer.POLICY_ERROR,
}


class TenancyPermissions:
    """Implements `ports.Permissions`."""

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
        except InvalidArgument:  # the request is ours: nobody's field is wrong but this adapter's
            raise Unavailable("tenancy") from None
        if len(answer.answers) != len(questions):
            raise Unavailable("tenancy")
        return [_answer(each) for each in answer.answers]


def _answer(message: pb.AuthorizeResponse) -> Answer:
    if message.outcome == decision.OUTCOME_ALLOW:
        return Answer.ALLOWED
    return _REFUSALS.get(message.reason, Answer.NOT_PERMITTED)
