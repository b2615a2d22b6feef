"""Reads a policy document from YAML; a key that stands twice is an error, as one of the two would be lost."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml


class DocumentError(ValueError):
    """Not a document; the text is for the operator who wrote it."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [str(key.value) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise DocumentError(f"{name}: stands twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> Any:
    """What the file says; raises DocumentError."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError:
        raise DocumentError(f"{path.name}: cannot be read") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" near line {mark.line + 1}" if mark else ""
        raise DocumentError(f"{path.name}: is not YAML{line}") from None
