"""The shipped model and its thresholds, from a folder."""

from __future__ import annotations

from pathlib import Path

from services.guardrail.policy import learned, scorer
from services.guardrail.policy.learned import Learned


def read(folder: Path) -> Learned:
    """Both files; raises OSError or PolicyError. Without them there is no service: it would look less closely."""
    model = scorer.load((folder / "weights.npz").read_bytes())
    return Learned(model, learned.parse((folder / "thresholds.json").read_text(encoding="utf-8")))
