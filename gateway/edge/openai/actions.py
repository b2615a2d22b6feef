"""What is to be done about a piece of a streamed answer, in order: the words of the pure side to the one that acts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from gateway.edge.openai.strict import Json, Refused
from gateway.edge.openai.texts import name

MAX_ARGUMENTS = 262_144
MAX_CALLS = 64
MAX_LANES = 64


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the model wrote; `holder` is where the words that may be executed go."""

    holder: Json
    tool: str
    arguments: str

    def allow(self, arguments: str) -> None:
        """These are the words that were checked."""
        self.holder["arguments"] = arguments


@dataclass(frozen=True, slots=True)
class Say:
    """Words of one text that goes on: to be inspected and shown as they become ready."""

    lane: Hashable
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """These texts are complete: nothing further before all of them is shown."""

    lanes: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Authorise:
    """Every one of these calls is allowed, or none is shown."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Show:
    """An event whose words, if it has any, may be shown. `ends` is the part of the answer that is complete with it."""

    event: Json
    named: str = ""
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What the model reports to have used."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The model's server says that it broke off."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete; `mark` is how its end is written."""

    mark: str = ""


Action = Say | Close | Authorise | Show | Used | Failed | Done


def call_of(function: Any, param: str) -> Call:
    """The call in an object with `name` and `arguments`; raises Refused when it cannot be one."""
    if not isinstance(function, dict):
        raise Refused("invalid_answer", "A call of a function is expected here.", param)
    arguments = function.get("arguments") or "{}"
    if not isinstance(arguments, str) or len(arguments) > MAX_ARGUMENTS:
        raise Refused("invalid_answer", "The arguments of a call are no text, or too long.", param)
    return Call(function, name(function, "name", param), arguments)


def used_of(usage: Any) -> Used | None:
    """Both spellings of a usage field; None where it has no numbers."""
    if not isinstance(usage, dict):
        return None
    read = _number(usage, "prompt_tokens", "input_tokens")
    written = _number(usage, "completion_tokens", "output_tokens")
    return Used(read, written) if read or written else None


def _number(usage: Json, *names: str) -> int:
    for one in names:
        value = usage.get(one)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000_000:
            return value
    return 0
