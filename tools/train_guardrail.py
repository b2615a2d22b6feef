"""`python -m tools.train_guardrail --data FOLDER`: trains the guardrail's model and writes it with thresholds and card.

FOLDER holds `guardrail/*.jsonl` and `ner/*.conll`. The result depends on the data and on the seed only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.guardrail.policy.scorer import Model
from services.guardrail.settings import DEFAULT_MODEL
from tools.guardrail_training import calibrate, card
from tools.guardrail_training.data import rows_of
from tools.guardrail_training.fit import fit, table_of


def main() -> int:
    """Trains and writes."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_guardrail", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, default=DEFAULT_MODEL, help="folder that is written")
    args = parser.parse_args()
    started = time.process_time()
    rows = rows_of(args.data)
    table = table_of(rows)

    def fitted(used: npt.NDArray[np.bool_]) -> Model:
        return fit(table, rows, used, "held-out")

    held = calibrate.held_out(rows, fitted)
    model = fitted(np.ones(len(rows), bool))
    stored, version = packed(model)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "weights.npz").write_bytes(stored)
    (args.out / "thresholds.json").write_text(calibrate.bundle(rows, held, f"t-{version[2:]}"), encoding="utf-8")
    text = card.card_of(rows, held.families, version, len(stored), time.process_time() - started)
    (args.out / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


def packed(model: Model) -> tuple[bytes, str]:
    """The file of the weights, and the version, which is their digest."""
    digest = hashlib.sha256(model.weights.tobytes() + model.shapes.tobytes()).hexdigest()[:12]
    version = f"m-{digest}"
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        version=np.array(version),
        weights=model.weights,
        scale=np.array(model.scale),
        shapes=model.shapes,
        bias=np.array(model.bias),
    )
    return buffer.getvalue(), version


if __name__ == "__main__":
    sys.exit(main())
