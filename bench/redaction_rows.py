"""Labelled texts for `redaction-eval`: JSON lines, IOB columns as corpora of names have them, or marked sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.redaction_types import entity_of

_MARK = re.compile(r"\[\[([A-Z_]+):(.*?)\]\]")
_NO_NAME = frozenset({"OTH", "MISC", "O"})
_WNUT = {"creative-work", "creative_work", "group", "product", "corporation"}


class BadRow(ValueError):
    """A row that is not as described; names its line, never its text."""


@dataclass(frozen=True, slots=True)
class Span:
    """One labelled stretch, in code points."""

    start: int
    end: int
    entity: str


@dataclass(frozen=True, slots=True)
class Row:
    """A text and its labels."""

    text: str
    spans: tuple[Span, ...]


def read_rows(path: Path) -> Iterator[Row]:
    """Every row of the file; raises BadRow."""
    if path.suffix in {".iob2", ".conll", ".iob"}:
        yield from _columns(path)
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if path.suffix == ".marked":
                yield _marked(line.rstrip("\n"))
            elif line.strip():
                yield _row(line, number)


def _row(line: str, number: int) -> Row:
    try:
        found = json.loads(line)
        text = str(found["text"])
        spans = tuple(
            Span(int(span["start"]), int(span["end"]), entity_of(str(span["type"]))) for span in found.get("spans", ())
        )
    except (ValueError, KeyError, TypeError):
        raise BadRow(f'line {number}: {{"text", "spans": [{{"start", "end", "type"}}]}} is needed') from None
    if not all(0 <= span.start < span.end <= len(text) for span in spans):
        raise BadRow(f"line {number}: a span is outside of its text")
    return Row(text, spans)


def _marked(line: str) -> Row:
    """A sentence with its values in place: `call [[PERSON:Anna]]`."""
    text, spans, at = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[at : mark.start()]
        spans.append(Span(len(text), len(text) + len(mark[2]), entity_of(mark[1])))
        text += mark[2]
        at = mark.end()
    return Row(text + line[at:], tuple(spans))


def _columns(path: Path) -> Iterator[Row]:
    words: list[tuple[str, str]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            parts = line.rstrip("\n").split("\t")
            if len(parts) >= 3 and parts[0].isdigit():
                words.append((parts[1], parts[2]))
            elif len(parts) == 2 and not line.startswith("# "):
                words.append((parts[0], parts[1]))
            elif not line.strip() and words:
                yield _sentence(words)
                words = []
    if words:
        yield _sentence(words)


def _sentence(words: Sequence[tuple[str, str]]) -> Row:
    """Words joined by blanks, as the columns say nothing of what stood between them."""
    spans: list[Span] = []
    at = 0
    inside = ""
    for word, tag in words:
        mark, _, kind = tag.partition("-")
        wanted = mark in "BI" and kind.upper() not in _NO_NAME and kind not in _WNUT
        entity = entity_of(kind) if wanted and mark != "O" else ""
        if entity and mark == "I" and inside == entity:
            spans[-1] = Span(spans[-1].start, at + len(word), entity)
        elif entity:
            spans.append(Span(at, at + len(word), entity))
        inside = entity
        at += len(word) + 1
    return Row(" ".join(word for word, _ in words), tuple(spans))
