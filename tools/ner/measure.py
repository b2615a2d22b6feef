"""How good the model is: spans at IoU 0.75, characters that leaked, and the same by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tools.ner.corpora import Labelled

Found = Sequence[tuple[int, int, str]]
_OVERLAP = 0.75


def measure(texts: Iterable[Labelled], find: Callable[[str], Found], kinds: Sequence[str]) -> dict[str, float]:
    """Figures over these kinds together; a hit needs the same kind and enough overlap."""
    hits = wanted = given = leaked = characters = 0
    for labelled in texts:
        gold = [span for span in labelled.spans if span[2] in kinds]
        found = [span for span in find(labelled.text) if span[2] in kinds]
        wanted += len(gold)
        given += len(found)
        hits += sum(any(one[2] == other[2] and _iou(one, other) >= _OVERLAP for other in found) for one in gold)
        covered = {at for start, end, _ in found for at in range(start, end)}
        for start, end, _ in gold:
            characters += end - start
            leaked += sum(at not in covered for at in range(start, end))
    precision = hits / given if given else 1.0
    recall = hits / wanted if wanted else 1.0
    weighted = 4 * precision + recall
    return {
        "spans": wanted,
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * precision * recall / (precision + recall), 3) if hits else 0.0,
        "f2": round(5 * precision * recall / weighted, 3) if weighted else 0.0,
        "leaked_character_rate": round(leaked / characters, 3) if characters else 0.0,
    }


def _iou(one: tuple[int, int, str], other: tuple[int, int, str]) -> float:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared / (max(one[1], other[1]) - min(one[0], other[0])) if shared > 0 else 0.0
