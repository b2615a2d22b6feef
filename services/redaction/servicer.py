"""The contract on one side, the redactor on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hauberk.redaction.v1 import redaction_service_pb2 as pb

from services.kit.caller import current_caller, current_workload
from services.kit.errors import InvalidArgument
from services.redaction.books import Redactors
from services.redaction.own_rules import OwnRules
from services.redaction.own_servicer import OwnRulesServicer
from services.redaction.policy.json_texts import Form
from services.redaction.policy.model import Scan
from services.redaction.policy.offsets import OffsetUnit, convert
from services.redaction.policy.placeholders import Slot
from services.redaction.policy.sinks import Sink

_UNITS = {
    pb.OFFSET_UNIT_UNSPECIFIED: OffsetUnit.CODE_POINT,
    pb.OFFSET_UNIT_CODE_POINT: OffsetUnit.CODE_POINT,
    pb.OFFSET_UNIT_UTF8_BYTE: OffsetUnit.UTF8_BYTE,
    pb.OFFSET_UNIT_UTF16: OffsetUnit.UTF16,
}
_SINKS = {
    pb.RESTORE_SINK_SHOWN: Sink.SHOWN,
    pb.RESTORE_SINK_TOOL_ARGUMENT: Sink.TOOL_ARGUMENT,
    pb.RESTORE_SINK_EMAIL: Sink.EMAIL,
}
_FORMS = {
    pb.REDACT_FORMAT_UNSPECIFIED: Form.TEXT,
    pb.REDACT_FORMAT_TEXT: Form.TEXT,
    pb.REDACT_FORMAT_JSON: Form.JSON,
    pb.REDACT_FORMAT_CHAT: Form.CHAT,
    pb.REDACT_FORMAT_AUTO: Form.AUTO,
}
_GUARDRAIL = "guardrail"
# Values may be far longer than their placeholders; a piece stays well below what a message may hold.
_MOST_OF_A_PIECE = 262_144


class RedactionServicer(OwnRulesServicer):
    """Serves RedactionService. The organisation is the proven caller's; no request can name one."""

    def __init__(self, redactors: Redactors, own: OwnRules) -> None:
        super().__init__(own)
        self._redactors = redactors

    async def Detect(self, request: pb.DetectRequest, context: Any) -> pb.DetectResponse:
        """Finds personal data; keeps nothing."""
        # The guardrail asks about answers and takes only the kinds that it names, so nobody waits for names there.
        names = current_workload().name != _GUARDRAIL
        redactor = await self._redactors.of(current_caller())
        detected = await redactor.detect(current_caller(), list(request.texts), request.also, names=names)
        unit = _UNITS[request.offset_unit]
        return pb.DetectResponse(
            detections=[
                pb.Detection(findings=_findings(text, scan, (), unit))
                for text, scan in zip(request.texts, detected.scans, strict=True)
            ],
            entities_not_searched=detected.not_searched,
            degraded=detected.degraded,
            policy_version=redactor.book.version,
        )

    async def Redact(self, request: pb.RedactRequest, context: Any) -> pb.RedactResponse:
        """Replaces personal data by placeholders."""
        redactor = await self._redactors.of(current_caller())
        redacted = await redactor.redact(
            current_caller(),
            current_workload().name,
            request.conversation,
            list(request.texts),
            request.also,
            forms=_forms(request),
        )
        unit = _UNITS[request.offset_unit]
        response = pb.RedactResponse(
            texts=[
                pb.RedactedText(text=done.text, findings=_findings(text, done.scan, done.slots, unit))
                for text, done in zip(request.texts, redacted.texts, strict=True)
            ],
            entities_not_searched=redacted.not_searched,
            lookalikes=sum(done.scan.lookalikes for done in redacted.texts),
            policy_version=redactor.book.version,
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
        redactor = await self._redactors.of(current_caller())
        if request.format == pb.RESTORE_FORMAT_JSON:
            fields = [(field.pointer, field.entities) for field in request.fields]
            sink = _SINKS.get(request.sink, Sink.TOOL_ARGUMENT)
            filled = await redactor.restore_json(*whose, texts, keep, fields, sink)
        elif keep or request.fields:
            raise InvalidArgument.of("keep" if keep else "fields", "empty unless the format is JSON")
        else:
            filled = await redactor.restore(*whose, texts, _SINKS.get(request.sink, Sink.SHOWN))
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

        whose = current_caller(), current_workload().name, first.conversation
        redactor = await self._redactors.of(current_caller())
        restored = redactor.restore_stream(*whose, chunks(), _SINKS.get(first.sink, Sink.SHOWN))
        async for piece in restored:
            for at in range(0, len(piece), _MOST_OF_A_PIECE):
                yield pb.RestoreStreamResponse(chunk=piece[at : at + _MOST_OF_A_PIECE])

    async def EndConversation(self, request: pb.EndConversationRequest, context: Any) -> pb.EndConversationResponse:
        """Destroys a conversation's key, and forgets its mapping, at once."""
        ended = await self._redactors.plain.end(current_caller(), request.conversation)
        return pb.EndConversationResponse(existed=ended.existed, key_destroyed=ended.key_destroyed)


def _forms(request: pb.RedactRequest) -> list[Form]:
    if not request.formats:
        return [_FORMS[request.format]] * len(request.texts)
    if len(request.formats) != len(request.texts):
        raise InvalidArgument.of("formats", "none, or one for each text")
    return [_FORMS[one] for one in request.formats]


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
