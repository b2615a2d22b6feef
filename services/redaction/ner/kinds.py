"""What each model can find."""

from __future__ import annotations

OWN = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})
SPACY = OWN | {"NRP"}
