"""What a user may be told when a request is refused, in the brand's words and the user's language."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from services.kit.settings import SettingsError

FALLBACK = "en"
SIZES = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
REASONS = {name.removeprefix("REASON_").lower() for name, _ in decision.Reason.items()}

Words = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom a reply is for; what is not known is empty. Only chooses words, proves nothing."""

    organisation: str = ""
    brand: str = ""
    locale: str = ""


class Replies:
    """Replies by language and reason, a brand's own first."""

    def __init__(self, common: Mapping[str, Words], brands: Mapping[tuple[str, str], Mapping[str, Words]]) -> None:
        self._common = common
        self._brands = brands

    def reply(self, reason: decision.Reason.ValueType, retry_after: float, listener: Listener) -> pb.SafeReply:
        """The reply for a refusal; `retry_after` in seconds, 0 = unknown."""
        language = listener.locale.partition("-")[0].lower()
        language = language if language in self._common else FALLBACK
        own = self._brands.get((listener.organisation, listener.brand), {}).get(language, {})
        words = {**self._common[language], **own}
        name = decision.Reason.Name(reason).removeprefix("REASON_").lower()
        text = str(words.get(name, words["default"])).replace("{when}", _spoken(retry_after, words["units"]))
        return pb.SafeReply(text=text, locale=language)


def load(path: Path) -> Replies:
    """The replies of a file; raises SettingsError naming what is wrong."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        common, brands = data["replies"], data.get("brands", [])
        for language, words in common.items():
            _check(f"replies.{language}", words, complete=True)
        own = {}
        for index, brand in enumerate(brands):
            for language, words in brand["replies"].items():
                _check(f"brands[{index}].replies.{language}", words, complete=False)
            own[brand["organisation"], brand["brand"]] = brand["replies"]
        if FALLBACK not in common:
            raise SettingsError(f"gateway_policy: replies.{FALLBACK} is required")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"gateway_policy: {path.name} cannot be used ({type(error).__name__})") from None
    return Replies(common, own)


def _check(where: str, words: Words, *, complete: bool) -> None:
    for name, text in words.items():
        if name == "units":
            if set(text) != set(SIZES) or any(len(forms) != 2 for forms in text.values()):
                raise SettingsError(f"gateway_policy: {where}.units must give one and many of {', '.join(SIZES)}")
        elif name != "default" and name not in REASONS:
            raise SettingsError(f"gateway_policy: {where}.{name} is no reason")
        elif not isinstance(text, str) or not 0 < len(text) <= 1000:
            raise SettingsError(f"gateway_policy: {where}.{name} must be a text of 1 to 1000 characters")
    if complete and not {"default", "units"} <= set(words):
        raise SettingsError(f"gateway_policy: {where} needs default and units")


def _spoken(seconds: float, units: Mapping[str, list[str]]) -> str:
    for name, size in SIZES.items():
        if seconds > size or name == "second":
            count = max(1, math.ceil(seconds / size))
            one, many = units[name]
            return f"{count} {one if count == 1 else many}"
    raise AssertionError("a second is always there")
