"""What redaction keeps: see services/kit/retention.py. How long, policies/retention.yaml says."""

from __future__ import annotations

from services.kit.retention import Owned, Volatile

OWNED = Owned(
    "redaction",
    volatile=(
        Volatile("redaction.numbers", "numbers of placeholders: none names two values", "hk:redaction:*:n", 86_400),
        Volatile("redaction.mappings", "placeholders with their values, sealed", "hk:redaction:*", 300),
    ),
    kept={
        "redaction.settings": "settings of an organisation, until it changes them",
        "redaction.recognizers": "recognizers of an organisation, until it deletes them",
    },
)
