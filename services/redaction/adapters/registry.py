"""Which of Presidio's recognizers there are: all that it brings, or those of a registry file in its own form (YAML)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from presidio_analyzer import PatternRecognizer, predefined_recognizers
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

from services.redaction.policy.model import LITERAL, MODEL_ENTITIES, OWN_ENTITIES
from services.redaction.policy.placeholders import is_entity_name


class RegistryError(ValueError):
    """The file cannot be used; says why, without quoting a pattern."""


def recognizers_of(registry: Path | None) -> dict[str, list[Any]]:
    """The recognizers of each entity. Our own entities are left to us, unless the file brings patterns for them."""
    found: dict[str, list[Any]] = {}
    for recognizer in _predefined() if registry is None else _listed(registry):
        found.setdefault(str(recognizer.supported_entities[0]), []).append(recognizer)
    return found


def _predefined() -> Iterator[Any]:
    for name in predefined_recognizers.__all__:
        candidate: Any = getattr(predefined_recognizers, name)
        if not inspect.isclass(candidate) or not issubclass(candidate, PatternRecognizer):
            continue
        make: Any = candidate
        recognizer = make()
        if recognizer.supported_entities[0] not in OWN_ENTITIES and is_entity_name(recognizer.supported_entities[0]):
            yield recognizer


def _listed(registry: Path) -> Iterator[Any]:
    try:
        # Checked before Presidio reads it: its complaints quote what they complain of.
        data = yaml.safe_load(registry.read_text(encoding="utf-8"))
        provider: Any = RecognizerRegistryProvider(registry_configuration=data)
        found: list[Any] = list(provider.create_recognizer_registry().recognizers)
    except Exception as error:  # noqa: BLE001 - whatever Presidio dies of, the file is not usable
        raise RegistryError(f"{registry.name} cannot be read ({type(error).__name__})") from None
    for recognizer in found:
        by_patterns: bool = isinstance(recognizer, PatternRecognizer)
        if not by_patterns:
            # Names come from the model, telephone numbers from us; anything else would silently not be looked for.
            if set(recognizer.supported_entities) <= OWN_ENTITIES | MODEL_ENTITIES:
                continue
            raise RegistryError(f"{registry.name}: {recognizer.name} is no recognizer by patterns")
        entity = str(recognizer.supported_entities[0])
        if not is_entity_name(entity) or entity == LITERAL:
            raise RegistryError(f"{registry.name}: {recognizer.name} finds what cannot be the name of a placeholder")
        if entity not in OWN_ENTITIES or type(recognizer) is PatternRecognizer:
            yield recognizer
