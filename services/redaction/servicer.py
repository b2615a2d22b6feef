"""The contract on one side, the redactor on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as pb_grpc

from services.kit.caller import current_caller, current_workload
from services.kit.errors import InvalidArgument
from services.redaction.engine import Redactor
from services.redaction.policy.model import Scan
from services.redaction.policy.offsets import OffsetUnit, convert
from services.redaction.policy.placeholders import Slot

_UNITS = {
    pb.OFFSET_UNIT_UNSPECIFIED: OffsetUnit.CODE_POINT,
    pb.OFFSET_UNIT_CODE_POINT: OffsetUnit.CODE_POINT,
    pb.OFFSET_UNIT_UTF8_BYTE: OffsetUnit.UTF8_BYTE,
    pb.OFFSET_UNIT_UTF16: OffsetUnit.UTF16,
}
_GUARDRAIL = "guardrail"
# Values may be far longer than their placeholders; a piece stays well below what a message may hold.
_MOST_OF_A_PIECE = 262_144


class RedactionServicer(pb_grpc.RedactionServiceServicer):
    """Serves RedactionService. The organisation is the proven caller's; no request can name one."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    async def Detect(self, request: pb.DetectRequest, context: Any) -> pb.DetectResponse:
        """Finds personal data; keeps nothing."""
        # The guardrail asks about answers and takes only the kinds that it names, so nobody waits for names there.
        names = current_workload().name != _GUARDRAIL
        detected = await self._redactor.detect(current_caller(), list(request.texts), request.also, names=names)
        unit = _UNITS[request.offset_unit]
        return pb.DetectResponse(
            detections=[
                pb.Detection(findings=_findings(text, scan, (), unit))
                for text, scan in zip(request.texts, detected.scans, strict=True)
            ],
            entities_not_searched=detected.not_searched,
            degraded=detected.degraded,
            policy_version=self._redactor.book.version,
        )

    async def Redact(self, request: pb.RedactRequest, context: Any) -> pb.RedactResponse:
        """Replaces personal data by placeholders."""
        redacted = await self._redactor.redact(
            current_caller(),
            current_workload().name,
            request.conversation,
            list(request.texts),
            request.also,
            json=request.format == pb.REDACT_FORMAT_JSON,
        )
        unit = _UNITS[request.offset_unit]
        response = pb.RedactResponse(
            texts=[
                pb.RedactedText(text=done.text, findings=_findings(text, done.scan, done.slots, unit))
                for text, done in zip(request.texts, redacted.texts, strict=True)
            ],
            entities_not_searched=redacted.not_searched,
            lookalikes=sum(done.scan.lookalikes for done in redacted.texts),
            policy_version=self._redactor.book.version,
            degraded=any(done.scan.degraded for done in redacted.texts),
        )
        if redacted.expires_at:
            response.mapping_expires_at.FromMilliseconds(int(redacted.expires_at * 1000))
        return response

    async def RedactBatch(self, request: pb.RedactBatchRequest, context: Any) -> pb.RedactBatchResponse:
        """One after the other, so that numbers come in the order of the requests."""
        return pb.RedactBatchResponse(responses=[await self.Redact(single, context) for single in request.requests])

    async def Restore(self, request: pb.RestoreRequest, context: Any) -> pb.RestoreResponse:
        """Puts values back where a placeholder of this user and conversation stands, and may be filled in."""
        whose = current_caller(), current_workload().name, request.conversation
        texts, keep = list(request.texts), list(request.keep)
        if request.format == pb.RESTORE_FORMAT_JSON:
            filled = await self._redactor.restore_json(*whose, texts, keep)
        elif keep:
            raise InvalidArgument.of("keep", "empty unless the format is JSON")
        else:
            filled = await self._redactor.restore(*whose, texts)
        return pb.RestoreResponse(
            texts=[one.text for one in filled],
            restored=sum(one.restored for one in filled),
            unknown=sum(one.unknown for one in filled),
            withheld=sum(one.withheld for one in filled),
        )

    async def RestoreStream(
        self, request_iterator: AsyncIterator[pb.RestoreStreamRequest], context: Any
    ) -> AsyncIterator[pb.RestoreStreamResponse]:
        """Puts values back chunk by chunk; the first message names the conversation."""
        first = await anext(request_iterator, None)
        if first is None or not first.conversation:
            raise InvalidArgument.of("conversation", "named in the first message")

        async def chunks() -> AsyncIterator[str]:
            yield first.chunk
            async for more in request_iterator:
                if more.conversation not in ("", first.conversation):
                    raise InvalidArgument.of("conversation", "the same in every message")
                yield more.chunk

        restored = self._redactor.restore_stream(
            current_caller(), current_workload().name, first.conversation, chunks()
        )
        async for piece in restored:
            for at in range(0, len(piece), _MOST_OF_A_PIECE):
                yield pb.RestoreStreamResponse(chunk=piece[at : at + _MOST_OF_A_PIECE])

    async def EndConversation(self, request: pb.EndConversationRequest, context: Any) -> pb.EndConversationResponse:
        """Forgets a conversation's mapping at once."""
        return pb.EndConversationResponse(existed=await self._redactor.end(current_caller(), request.conversation))


def _findings(text: str, scan: Scan, slots: Sequence[Slot], unit: OffsetUnit) -> list[pb.Finding]:
    offsets = convert(text, [offset for f in scan.findings for offset in (f.start, f.end)], unit)
    return [
        pb.Finding(
            entity=found.entity,
            start=offsets[2 * place],
            end=offsets[2 * place + 1],
            score=found.score,
            placeholder=str(slots[place]) if slots else "",
        )
        for place, found in enumerate(scan.findings)
    ]
