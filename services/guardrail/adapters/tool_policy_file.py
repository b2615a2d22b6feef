"""The policy of tools, as a file that is read when the process starts."""

from __future__ import annotations

from pathlib import Path

import yaml

from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.tool_rules import ToolRules, parse_tool_rules


def load_tool_rules(path: Path) -> ToolRules:
    """Checked; raises PolicyError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PolicyError(f"{path.name} cannot be read ({type(error).__name__})") from None
    return parse_tool_rules(data)
