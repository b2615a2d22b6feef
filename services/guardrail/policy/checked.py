"""Reading policy data: each helper returns what it promises or raises PolicyError with the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.guardrail.policy.model import PolicyError


def mapping(value: object, key: str) -> Mapping[str, Any]:
    """A mapping."""
    if not isinstance(value, Mapping):
        raise PolicyError(f"{key}: a mapping is needed")
    return {str(name): item for name, item in value.items()}


def each(value: object, key: str) -> list[Mapping[str, Any]]:
    """A list of mappings."""
    if not isinstance(value, list):
        raise PolicyError(f"{key}: a list is needed")
    return [mapping(item, key) for item in value]


def names(value: object, key: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise PolicyError(f"{key}: a list of texts is needed")
    return tuple(value)


def text(value: object, key: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise PolicyError(f"{key}: a text is needed")
    return value


def number(value: object, key: str, most: float = 1.0) -> float:
    """A number from 0 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise PolicyError(f"{key}: a number from 0 to {most:g} is needed")
    return float(value)


def only(data: Mapping[str, Any], allowed: frozenset[str], key: str) -> None:
    """No key beyond these."""
    unknown = sorted(set(data) - allowed)
    if unknown:
        raise PolicyError(f"{key}: unknown key {unknown[0]}")
