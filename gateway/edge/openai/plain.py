"""What in an answer is no text of the model: numbers, and names within the protocol."""

from __future__ import annotations

import re
from typing import Any

from gateway.edge.openai.strict import Json

NAMES = frozenset(
    {
        "id", "object", "model", "role", "type", "finish_reason", "native_finish_reason", "system_fingerprint",
        "status", "service_tier", "call_id", "item_id", "provider", "effort", "truncation", "reason", "tool_choice",
    }
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9._:/@+-]{0,256}")


def is_name(key: object, value: Any) -> bool:
    """Whether a text stands where names stand, and could be one."""
    return key in NAMES and isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_plain(key: object, value: Any) -> bool:
    """Whether there are no words in it, however deep."""
    if isinstance(value, str):
        return not value or is_name(key, value)
    if isinstance(value, dict):
        return all(is_plain(name, one) for name, one in value.items())
    if isinstance(value, list):
        return all(is_plain(key, one) for one in value)
    return True


def plain_part(value: Json) -> Json:
    """The members without words."""
    return {key: one for key, one in value.items() if is_plain(key, one)}
