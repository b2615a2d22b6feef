"""Where in a body there are words: each place can be read, and be given other words."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from hauberk.common.v1 import decision_pb2 as decision

from gateway.edge.openai.strict import Json, Refused, read, write

ROLES = {
    "system": decision.ROLE_SYSTEM,
    "developer": decision.ROLE_SYSTEM,
    "user": decision.ROLE_USER,
    "assistant": decision.ROLE_ASSISTANT,
    "tool": decision.ROLE_TOOL,
}
# What names something within the protocol, and so is no place for words.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")


@dataclass(frozen=True, slots=True)
class Text:
    """One place with words. With `json` the value is a part of the body that stays JSON; with `name` it is left out
    when it would have to change, as no other words fit there."""

    holder: Any
    key: Any
    role: decision.Role.ValueType
    source: decision.Source.ValueType = decision.SOURCE_UNSPECIFIED
    json: bool = False
    name: bool = False

    @property
    def value(self) -> str:
        """The words, or the part of the body as JSON."""
        found = self.holder[self.key]
        return write(found).decode() if self.json else found

    @property
    def media_type(self) -> str:
        """As Admit takes it."""
        return "application/json" if self.json or self._holds_json() else ""

    def put(self, text: str) -> None:
        """Writes other words; raises Refused when what was JSON no longer is."""
        if text == self.value:
            return
        if self.name:
            del self.holder[self.key]
        elif self.json:
            self.holder[self.key] = read(b'{"value":' + text.encode() + b"}")["value"]
        else:
            self.holder[self.key] = text

    def _holds_json(self) -> bool:
        return self.key == "arguments" and _is_object(self.holder[self.key])


@dataclass(slots=True)
class Found:
    """The places with words of one body, in their order."""

    texts: list[Text] = field(default_factory=list)
    system: Text | None = None

    def words(self, holder: Any, key: Any, role: decision.Role.ValueType, param: str, **more: Any) -> None:
        """A place that must hold a text; an empty one is no place."""
        value = holder[key]
        if not isinstance(value, str):
            raise Refused("invalid_type", "A text is expected here.", param)
        if value:
            self.texts.append(Text(holder, key, role, **more))
            if role == decision.ROLE_SYSTEM and self.system is None and not more:
                self.system = self.texts[-1]

    def other(self, holder: Any, known: Collection[str], param: str, role: decision.Role.ValueType) -> None:
        """Every member that is not known: kept, and looked at as words wherever it could hold any."""
        for key, value in holder.items():
            if not _KEY.fullmatch(key):
                raise Refused("invalid_key", "A key of the body has an unusual name.", param)
            if key in known or value is None or isinstance(value, bool) or value in ("", [], {}):
                continue
            if isinstance(value, str):
                self.texts.append(Text(holder, key, role))
            else:
                self.texts.append(Text(holder, key, role, json=True))


def objects(value: Any, param: str, *, at_most: int = 1024) -> list[Json]:
    """A list of objects; raises Refused for anything else."""
    if not isinstance(value, list) or len(value) > at_most or not all(isinstance(one, dict) for one in value):
        raise Refused("invalid_type", "A list of objects is expected here.", param)
    return value


def name(holder: Json, key: str, param: str, *, needed: bool = True) -> str:
    """What names something within the protocol; raises Refused when it could be words."""
    value = holder.get(key)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Refused("invalid_value", "A name of letters, digits, dots, dashes is expected here.", f"{param}.{key}")
    return value


def model(body: Json) -> str:
    """The model asked for."""
    value = body.get("model")
    if not isinstance(value, str) or not _MODEL.fullmatch(value):
        raise Refused("invalid_value", "The name of a model is expected here.", "model")
    return value


def count(body: Json, key: str, at_most: int) -> int:
    """A whole number from 1; 0 when none is given."""
    value = body.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= at_most:
        raise Refused("invalid_value", "A whole number within bounds is expected here.", key)
    return value


def switch(body: Json, key: str) -> bool:
    """True or false; false when not given."""
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        raise Refused("invalid_type", "True or false is expected here.", key)
    return bool(value)


def unsupported(body: Json, keys: Collection[str]) -> None:
    """Raises Refused for what can be asked for, and not be protected."""
    for key in keys:
        if body.get(key) not in (None, False, [], {}, ""):
            raise Refused("unsupported_parameter", "This cannot be used here: it could not be inspected.", key)


def settings(body: Json, keys: Collection[str]) -> None:
    """Numbers, switches and plain names, which pass as they are; raises Refused for anything else in these places."""
    for key in keys:
        value = body.get(key)
        if isinstance(value, dict | list) or (isinstance(value, str) and not _NAME.fullmatch(value)):
            raise Refused("invalid_value", "A number, a switch or a name is expected here.", key)


def _is_object(value: Any) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError, TypeError):
        return False
