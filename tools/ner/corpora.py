"""Labelled corpora as texts with spans: words are put back together as they were written, as far as that is known."""

# ruff: noqa: S311 - nothing here is a secret
from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_KINDS = {"PER": "PER", "LOC": "LOC", "ORG": "ORG", "person": "PER", "location": "LOC", "corporation": "ORG"}
_CLOSES = frozenset(".,!?;:)]}%'’\"")
_MOST_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and its names: (start, end, kind) in code points."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def read_all(folder: Path, chance: random.Random) -> tuple[list[Labelled], list[Labelled]]:
    """What is trained on, and what is only measured on."""
    training = [
        *_joined(_uner(folder / "uner_ewt_train.iob2"), chance),
        *_two_columns(folder / "wnut17_train.conll", chance),
        *_two_columns(folder / "broad_twitter_train.conll", chance),
    ]
    return training, _joined(_uner(folder / "uner_ewt_dev.iob2"), random.Random(1))


def _uner(path: Path) -> Iterator[tuple[str, Labelled]]:
    """Sentences with the document they are from."""
    document = ""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        text, words = "", []
        for line in block.splitlines():
            if line.startswith("# newdoc id = "):
                document = line[14:]
            elif line.startswith("# text = "):
                text = line[9:]
            elif line and not line.startswith("#"):
                columns = line.split("\t")
                words.append((columns[1], columns[2]))
        if words:
            yield document, _placed(text, words)


def _placed(text: str, words: Iterable[tuple[str, str]]) -> Labelled:
    places = []
    at = 0
    for word, label in words:
        start = text.find(word, at)
        if start < 0:
            continue
        at = start + len(word)
        places.append((start, at, label))
    return Labelled(text, _spans(places))


def _spans(places: Iterable[tuple[int, int, str]]) -> tuple[tuple[int, int, str], ...]:
    spans: list[tuple[int, int, str]] = []
    running = False
    for start, end, label in places:
        kind = _KINDS.get(label[2:], "")
        if label.startswith("I-") and running and spans and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], end, kind)
        elif kind:
            spans.append((start, end, kind))
            running = True
            continue
        running = bool(kind) and label != "O"
    return tuple(spans)


def _joined(sentences: Iterable[tuple[str, Labelled]], chance: random.Random) -> list[Labelled]:
    """A few sentences of one document together, as a message has them."""
    texts: list[Labelled] = []
    held: list[Labelled] = []
    last, most = "", 1
    for document, sentence in sentences:
        if held and (document != last or len(held) >= most):
            texts.append(join(held, chance.choice((" ", " ", "\n"))))
            held, most = [], chance.randint(1, _MOST_SENTENCES)
        held.append(sentence)
        last = document
    if held:
        texts.append(join(held, " "))
    return texts


def join(parts: Iterable[Labelled], between: str) -> Labelled:
    """One text of several."""
    text = ""
    spans: list[tuple[int, int, str]] = []
    for part in parts:
        if text:
            text += between
        spans.extend((start + len(text), end + len(text), kind) for start, end, kind in part.spans)
        text += part.text
    return Labelled(text, tuple(spans))


def _two_columns(path: Path, chance: random.Random) -> Iterator[Labelled]:
    for block in path.read_text(encoding="utf-8").replace("\n\t\n", "\n\n").split("\n\n"):
        words = [line.rsplit("\t", 1) for line in block.splitlines() if "\t" in line]
        if not words:
            continue
        tight = chance.random() < 0.7
        text, places, glue = "", [], True
        for word, label in words:
            close = tight and (word[0] in _CLOSES or word == "n't")
            if text and not glue and not close:
                text += " "
            handle = text.endswith("@") or word.startswith("@")
            places.append((len(text), len(text) + len(word), "O" if handle else label))
            text += word
            glue = word in ("@", "#") or (tight and word in ("(", "[", "$"))
        yield Labelled(text, _spans(places))
