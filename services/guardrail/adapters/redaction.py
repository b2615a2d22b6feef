"""Personal data in an answer, found by the redaction service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as rpc

from services.guardrail.ports import Leak
from services.kit.channels import Client
from services.kit.errors import InvalidArgument, Unavailable

PIECE = 200_000
OVERLAP = 256  # longer than any value that is looked for


class RedactionDetector:
    """Implements `ports.Detector`."""

    def __init__(self, channel: Any, at_most: float) -> None:
        self._stub = rpc.RedactionServiceStub(channel)
        self._client = Client("redaction")
        self._at_most = at_most

    async def find(self, token: str, text: str, entities: Sequence[str]) -> list[Leak]:
        """See the port."""
        starts = range(0, max(1, len(text) - OVERLAP), PIECE - OVERLAP)
        request = pb.DetectRequest(texts=[text[start : start + PIECE] for start in starts], also=entities)
        try:
            answer: pb.DetectResponse = await self._client.call(
                self._stub.Detect, request, at_most=self._at_most, token=token, name="redaction.Detect"
            )
        except InvalidArgument:  # an entity that redaction does not know cannot have been looked for
            raise Unavailable("redaction") from None
        if len(answer.detections) != len(starts) or set(answer.entities_not_searched) & set(entities):
            raise Unavailable("redaction")
        found = {
            Leak(finding.entity, start + finding.start, start + finding.end)
            for start, detection in zip(starts, answer.detections, strict=True)
            for finding in detection.findings
            if finding.entity in entities
        }
        if any(not 0 <= leak.start < leak.end <= len(text) for leak in found):
            raise Unavailable("redaction")
        return sorted(found, key=lambda leak: (leak.start, leak.end))
