"""Turns of conversations."""

from __future__ import annotations

from typing import Any

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb

from services.kit.caller import current_caller
from services.tenancy.policy.conversations import Integrity, Turn
from services.tenancy.servicer.core import Part

_INTEGRITY = {
    Integrity.INTACT: pb.INTEGRITY_INTACT,
    Integrity.ALTERED: pb.INTEGRITY_ALTERED,
    Integrity.MISSING: pb.INTEGRITY_MISSING,
    Integrity.ROLLED_BACK: pb.INTEGRITY_ROLLED_BACK,
}


class Conversations(Part):
    """What a user and the model said to each other."""

    async def AppendTurn(self, request: pb.AppendTurnRequest, _: Any) -> pb.AppendTurnResponse:
        """Adds a turn at the end."""
        done = await self._core.conversations.append(
            current_caller(), request.conversation, request.role, request.text, request.request_id
        )
        return pb.AppendTurnResponse(sequence=done.sequence, witness=done.witness)

    async def ListTurns(self, request: pb.ListTurnsRequest, _: Any) -> pb.ListTurnsResponse:
        """The turns that prove unaltered."""
        reading, token = await self._core.conversations.list(
            current_caller(),
            request.conversation,
            size=request.page_size,
            token=request.page_token,
            last=request.last,
            witness=request.witness,
        )
        return pb.ListTurnsResponse(
            turns=map(_turn, reading.turns),
            next_page_token=token,
            integrity=_INTEGRITY[reading.integrity],
            broken_at=reading.broken_at,
        )

    async def ForgetConversation(self, request: pb.ForgetConversationRequest, _: Any) -> pb.ForgetConversationResponse:
        """Safe to repeat."""
        await self._core.conversations.forget(current_caller(), request.conversation)
        return pb.ForgetConversationResponse()


def _turn(turn: Turn) -> pb.Turn:
    message = pb.Turn(sequence=turn.sequence, role=turn.role, text=turn.text)  # type: ignore[arg-type]
    message.at.FromMicroseconds(turn.at_us)
    return message
