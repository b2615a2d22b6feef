"""A process that finds names: texts come in on descriptor 0, names go back the same way, nothing else goes anywhere.

It ends when the other side is gone. A text that cannot be searched is answered by an error, never by no names.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from services.redaction.ner.frames import framed, read_frame
from services.redaction.policy.model import Finding
from services.redaction.policy.names import refine
from services.redaction.policy.normalise import View, view

OWN = "own"
WEIGHTS = Path(__file__).resolve().parent / "data" / "weights.npz"


class Model(Protocol):
    """Finds names; raises whatever it likes when it cannot."""

    def find_all(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        """Names of each text, in code points of it; the same as if it were the only one."""
        ...


def load(name: str) -> Model:
    """The model of that name: our own, or a package of spaCy."""
    if name == OWN:
        from services.redaction.ner.own_model import OwnModel  # noqa: PLC0415 - numpy is only needed here

        return OwnModel(WEIGHTS)
    from services.redaction.ner.spacy_model import SpacyModel  # noqa: PLC0415 - only who asks for it pays

    return SpacyModel(name)


def answer(model: Model, request: Any) -> dict[str, Any]:
    """The names of each text: [entity, start, end, score]."""
    wanted = frozenset(request["wanted"])
    folded = [view(text) for text in request["texts"]]
    found = model.find_all([one.text for one in folded])
    return {"names": [_names(one, names, wanted) for one, names in zip(folded, found, strict=True)]}


def _names(folded: View, found: Sequence[Finding], wanted: frozenset[str]) -> list[tuple[str, int, int, float]]:
    return [
        (one.entity, *folded.span(one.start, one.end), one.score)
        for one in refine(folded.text, found)
        if one.entity in wanted and one.start < one.end
    ]


def serve(model: Model, line: socket.socket) -> None:
    """Answers until the other side hangs up."""
    line.sendall(framed(b"ready"))
    while (frame := read_frame(line)) is not None:
        try:
            reply = answer(model, json.loads(frame))
        except Exception:  # noqa: BLE001 - whatever a model throws is one thing for the asker: not searched
            reply = {"failed": True}
        line.sendall(framed(json.dumps(reply).encode()))


def main(arguments: list[str]) -> int:
    """`worker NAME`: loads the model once, then serves."""
    try:
        with socket.socket(fileno=0) as line:
            serve(load(arguments[0]), line)
    except OSError:  # the other side is gone
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
