"""The part of the contract by which an organisation changes its own rules."""

from __future__ import annotations

from typing import Any

from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as pb_grpc

from services.kit.caller import current_call, current_caller
from services.redaction.own_rules import OwnRules
from services.redaction.policy.model import WhenLate
from services.redaction.policy.own import Choices, Recognizer

_TAGGED = {pb.PLACEHOLDER_STYLE_READABLE: False, pb.PLACEHOLDER_STYLE_TAGGED: True}
_STYLES = {tagged: style for style, tagged in _TAGGED.items()}
_LATE = {pb.LATE_NAMES_CLOSED: WhenLate.CLOSED, pb.LATE_NAMES_PATTERNS_ONLY: WhenLate.PATTERNS_ONLY}
_LATE_WORDS = {late: word for word, late in _LATE.items()}


class OwnRulesServicer(pb_grpc.RedactionServiceServicer):
    """Recognizers and settings. The organisation is the proven caller's; no request can name one."""

    def __init__(self, own: OwnRules) -> None:
        self._own = own

    async def PutRecognizer(self, request: pb.PutRecognizerRequest, _: Any) -> pb.PutRecognizerResponse:
        """Checks, tries and keeps a recognizer."""
        asked = request.recognizer
        wanted = Recognizer(asked.entity, asked.pattern, asked.score, tuple(asked.context), asked.etag)
        made, scans = await self._own.put(
            current_caller(), current_call().token, wanted, list(request.samples), keep=not request.validate_only
        )
        found = [
            [pb.Finding(entity=f.entity, start=f.start, end=f.end, score=f.score) for f in s.findings] for s in scans
        ]
        return pb.PutRecognizerResponse(
            recognizer=_recognizer(made),
            samples=[pb.Detection(findings=findings) for findings in found],
            policy_version=await self._own.version(current_caller()),
        )

    async def ListRecognizers(self, _request: pb.ListRecognizersRequest, _: Any) -> pb.ListRecognizersResponse:
        """Every one, by type."""
        own = await self._own.read(current_caller(), current_call().token)
        return pb.ListRecognizersResponse(
            recognizers=map(_recognizer, own.recognizers), policy_version=await self._own.version(current_caller())
        )

    async def DeleteRecognizer(self, request: pb.DeleteRecognizerRequest, _: Any) -> pb.DeleteRecognizerResponse:
        """Takes one away."""
        existed = await self._own.delete(current_caller(), current_call().token, request.entity, request.etag)
        return pb.DeleteRecognizerResponse(existed=existed, policy_version=await self._own.version(current_caller()))

    async def GetRedactionSettings(
        self, _request: pb.GetRedactionSettingsRequest, _: Any
    ) -> pb.GetRedactionSettingsResponse:
        """What was chosen."""
        own = await self._own.read(current_caller(), current_call().token)
        return pb.GetRedactionSettingsResponse(
            settings=_settings(own.choices), policy_version=await self._own.version(current_caller())
        )

    async def PutRedactionSettings(
        self, request: pb.PutRedactionSettingsRequest, _: Any
    ) -> pb.PutRedactionSettingsResponse:
        """Replaces what was chosen."""
        asked = request.settings
        wanted = Choices(_TAGGED.get(asked.placeholder_style), _LATE.get(asked.late_names), asked.etag)
        made = await self._own.choose(current_caller(), current_call().token, wanted)
        return pb.PutRedactionSettingsResponse(
            settings=_settings(made), policy_version=await self._own.version(current_caller())
        )


def _recognizer(found: Recognizer) -> pb.Recognizer:
    made = pb.Recognizer(
        entity=found.entity, pattern=found.pattern, score=found.score, context=found.context, etag=found.etag
    )
    if found.changed_at:
        made.updated_at.FromMilliseconds(int(found.changed_at * 1000))
    return made


def _settings(choices: Choices) -> pb.RedactionSettings:
    style = pb.PLACEHOLDER_STYLE_UNSPECIFIED if choices.tagged is None else _STYLES[choices.tagged]
    late = pb.LATE_NAMES_UNSPECIFIED if choices.names_late is None else _LATE_WORDS[choices.names_late]
    return pb.RedactionSettings(placeholder_style=style, late_names=late, etag=choices.etag)
