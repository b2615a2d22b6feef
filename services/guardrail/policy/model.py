"""The words of the guardrail's core."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PolicyError(ValueError):
    """The policy data breaks its own rules; the message names the key, never a text of a user."""


class Source(StrEnum):
    """Where a text comes from. Only a user's own words and the product's own prompt are not untrusted."""

    USER = "user"
    SYSTEM = "system"
    RETRIEVED = "retrieved"
    TOOL_OUTPUT = "tool_output"
    MEMORY = "memory"
    TOOL_DESCRIPTION = "tool_description"
    UNKNOWN = "unknown"

    @property
    def untrusted(self) -> bool:
        """True for everything that the user did not write and the product did not either."""
        return self not in (Source.USER, Source.SYSTEM)


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of text and where it comes from."""

    source: Source
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched: in which view of which part, and where in that part (code points)."""

    rule: str
    view: str
    part: int
    start: int
    end: int
    weight: float = 0.0
    grams: tuple[str, ...] = ()  # of the model: what weighed most


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in all parts; `refused` when one part reached what its source is allowed."""

    refused: bool
    findings: tuple[Finding, ...] = ()
    refused_parts: tuple[int, ...] = ()
    tainted: tuple[int, ...] = ()  # by source alone, whatever was found


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of an answer that is replaced."""

    start: int
    end: int
    replacement: str
    rule: str
