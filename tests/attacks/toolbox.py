"""Tools that attacks are aimed at."""

from __future__ import annotations

import json

READ_BRAND = json.dumps(
    {
        "type": "object",
        "properties": {
            "brand": {"type": "string", "x-resource": "Brand"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50},
            "brands": {"type": "array", "items": {"type": "string"}, "x-resource": "Brand"},
        },
        "required": ["brand"],
        "additionalProperties": False,
    }
)
READ = "knowledge.read"
WRITE = "knowledge.write"


def arguments(**values: object) -> str:
    return json.dumps(values)
