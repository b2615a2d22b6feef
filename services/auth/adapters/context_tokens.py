"""The context-token service over gRPC: a token presented as a credential is redeemed there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hauberk.common.v1 import decision_pb2
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1 import context_token_service_pb2_grpc as rpc

from services.auth.policy.identity import Presented
from services.auth.ports import Handover
from services.kit.caller import Epochs
from services.kit.channels import Client
from services.kit.errors import Unavailable
from services.kit.settings import SettingsError

PEER = "context-token"
AT_MOST_SECONDS = 2.0


class PeerContextTokens:
    """`services.auth.ports.ContextTokens`; `channel` is asked at the first token, and again until there is one."""

    def __init__(self, channel: Callable[[], Any]) -> None:
        self._channel = channel
        self._client = Client(PEER)
        self._known: Any = None

    async def redeem(self, presented: Presented) -> Handover | None:
        """Whatever the peer does not clearly allow is refused."""
        request = pb.RedeemRequest(context_token=presented.text, consumer=presented.workload, brand=presented.brand)
        answer: pb.RedeemResponse = await self._client.call(
            self._stub().Redeem, request, at_most=AT_MOST_SECONDS, name="context_token.Redeem"
        )
        if answer.outcome != decision_pb2.OUTCOME_ALLOW:
            return None
        if not (answer.organisation and answer.subject and answer.brand and answer.source_brand and answer.token_id):
            return None
        return Handover(
            organisation=answer.organisation,
            subject=answer.subject,
            brand=answer.brand,
            source_brand=answer.source_brand,
            scopes=frozenset(answer.scopes),
            epochs=Epochs(
                answer.epoch_user,
                answer.epoch_organisation,
                answer.epoch_brand,
                answer.epoch_key,
                answer.epoch_session,
                answer.epoch_token,
            ),
            key_id=answer.key_id,
            session_id=answer.session_id,
            origin_token_id=answer.origin_token_id,
            token_id=answer.token_id,
            issued_at=float(answer.issued_at.seconds),
            context=answer.body,
        )

    def _stub(self) -> Any:
        """An address that nobody configured, or a peer not built yet, is a peer that does not answer."""
        if self._known is None:
            try:
                self._known = rpc.ContextTokenServiceStub(self._channel())
            except (SettingsError, LookupError):
                raise Unavailable(PEER) from None
        return self._known
