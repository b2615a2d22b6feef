"""Trains the names model: python -m tools.train_ner --data FOLDER --out FILE.

FOLDER holds the corpora (uner_ewt_{train,dev}.iob2, wnut17_train.conll, broad_twitter_train.conll). They are read,
never copied: only weights, checksums of words and the figures go out. The same data and seed give the same file. A few
minutes on one core.
"""

# ruff: noqa: S311 - nothing here is a secret
from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from services.redaction.ner import features
from services.redaction.ner.features import Ids, Reader, checksum
from services.redaction.ner.tagger import LABELS, Tagger
from services.redaction.ner.tokens import tokens_of
from tools.ner import places
from tools.ner.corpora import Labelled, read_all
from tools.ner.generated import Writer, cased
from tools.ner.learner import Learner, Rows
from tools.ner.measure import measure

_SEED = 20_240_611
_BITS = 19
# Names that the lists do not know while it learns, so that it does not lean on them alone.
_UNLISTED = 0.35
# The mean of the weights after this many last epochs is what ships.
_AVERAGED = 3
_SMALLEST = 0.004
# Less caution is taken when it costs no more F2 than this: fewer false alarms.
_AS_GOOD = 0.004
_CAUTIONS = (0.0, 0.5, 1.0, 1.5, 2.0)
_LITTLE = frozenset(
    [
        "of",
        "the",
        "de",
        "la",
        "del",
        "di",
        "da",
        "and",
        "el",
        "le",
        "les",
        "der",
        "den",
        "van",
        "von",
        "am",
        "an",
        "im",
        "in",
        "do",
        "los",
        "las",
        "san",
        "y",
        "al",
        "e",
    ]
)
_COMMON = ((50, 3), (10, 2), (3, 1))


def main(arguments: list[str]) -> int:
    """Reads, learns, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=40, help="how often each English template is filled")
    parser.add_argument("--seed", type=int, default=_SEED)
    chosen = parser.parse_args(arguments)
    started = time.process_time()
    chance = random.Random(chosen.seed)
    corpus, held_out = read_all(chosen.data, chance)
    writer = Writer(chosen.seed)
    texts = _training(corpus, writer, chance, chosen.rounds)
    lists, common = word_lists(writer.lists), common_words(corpus)
    unlisted = {key: flags for key, flags in lists.items() if chance.random() >= _UNLISTED}
    rows = _rows(texts, Reader(unlisted, common, _BITS))
    print(f"{len(texts)} texts, {len(rows.labels)} words, {time.process_time() - started:.0f} s", flush=True)
    learner = Learner(_BITS, chosen.seed)
    for epoch in range(chosen.epochs):
        loss = learner.epoch(rows, 1.0 if epoch < chosen.epochs - _AVERAGED else 0.5)
        if epoch >= chosen.epochs - _AVERAGED:
            learner.keep()
        print(f"epoch {epoch + 1}: loss {loss:.4f}, {time.process_time() - started:.0f} s", flush=True)
    learner.average()
    learner.table[np.abs(learner.table).max(axis=1) < _SMALLEST] = 0
    scale = float(np.abs(learner.table).max() / 127)
    packed = np.zeros((1 << _BITS, 8), dtype=np.int8)
    packed[:, : len(LABELS)] = np.rint(learner.table / scale)
    tagger = Tagger(packed, scale, learner.steps, Reader(lists, common, _BITS), 0.0)
    new = Writer(chosen.seed + 1).texts(1, 1, 1)
    sets = {"web text (dev)": held_out, "web text (dev), small letters": _small(held_out), "generated": new}
    report = _report(tagger, sets)
    _write(chosen.out, learner, lists, common, tagger.caution)
    print(json.dumps(report, indent=1))
    return 0


def _training(corpus: Sequence[Labelled], writer: Writer, chance: random.Random, rounds: int) -> list[Labelled]:
    """The corpora; copies with other names, and in small letters; what was written for it."""
    texts = list(corpus)
    texts += [writer.renamed(one) for one in corpus if one.spans and chance.random() < 0.6]
    texts += [cased(one, str.lower) for one in corpus if chance.random() < 0.4]
    texts += [cased(one, str.upper) for one in corpus if chance.random() < 0.05]
    return texts + writer.texts(rounds, max(1, rounds // 3), max(1, rounds // 2))


def word_lists(lists: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[int, int]:
    """Which lists a word is on, by its checksum."""
    flags: Counter[int] = Counter()

    def add(names: Iterable[str], whole: int, part: int) -> None:
        for name in names:
            words = [word.lower() for word in tokens_of(name).words if word[0].isalpha()]
            flag = whole if len(words) == 1 else part
            for word in words:
                if word not in _LITTLE and (len(words) == 1 or len(word) > 2 or not word.isascii()):
                    flags[checksum(word)] |= flag

    for names in lists["first"].values():
        add(names, features.FIRST, features.FIRST)
    for names in lists["last"].values():
        add(names, features.LAST, features.LAST)
    for names in lists["place"].values():
        add(names, features.PLACE, features.PART)
    for names in lists["country"].values():
        add(names, features.COUNTRY, features.PART)
    add(places.CITIES + places.REGIONS, features.PLACE, features.PART)
    add(places.COUNTRIES, features.COUNTRY, features.PART)
    for state in places.STATES:
        flags[checksum(state.lower())] |= features.TITLE
    # In small letters it is hardly ever the country.
    flags.pop(checksum("us"), None)
    return dict(sorted(flags.items()))


def common_words(corpus: Iterable[Labelled]) -> dict[int, int]:
    """How common a word is in small letters outside of names, in four steps."""
    counts: Counter[str] = Counter()
    for one in corpus:
        tokens = tokens_of(one.text)
        named = {at for start, end, _ in one.spans for at in range(start, end)}
        counts.update(w for w, at in zip(tokens.words, tokens.starts, strict=True) if w.islower() and at not in named)
    steps = {}
    for word, count in counts.items():
        step = next((step for least, step in _COMMON if count >= least), 0)
        if step:
            steps[checksum(word)] = step
    return dict(sorted(steps.items()))


def _rows(texts: Sequence[Labelled], reader: Reader) -> Rows:
    all_ids: list[Ids] = []
    labels: list[int] = []
    bounds: list[tuple[int, int]] = []
    total = 0
    for one in texts:
        tokens = tokens_of(one.text)
        if not tokens.words:
            continue
        all_ids.append(reader.features(reader.columns(tokens.words)))
        labels.extend(_labels(one, tokens.starts, tokens.words))
        bounds.extend((first + total, last + total) for first, last in tokens.rows)
        total += len(tokens.words)
    return Rows(np.concatenate(all_ids), np.array(labels, dtype=np.int64), bounds)


def _labels(one: Labelled, starts: Sequence[int], words: Sequence[str]) -> list[int]:
    labels = [0] * len(starts)
    for start, end, kind in one.spans:
        inside = [n for n, at in enumerate(starts) if start <= at < end and words[n] != "\n"]
        inside = list(range(inside[0], inside[-1] + 1)) if inside else []
        for n in inside:
            labels[n] = LABELS.index(f"{'B' if n == inside[0] else 'I'}-{kind}")
    return labels


def _small(texts: Iterable[Labelled]) -> list[Labelled]:
    return [cased(one, str.lower) for one in texts]


def _report(tagger: Tagger, sets: Mapping[str, Sequence[Labelled]]) -> dict[str, object]:
    """Chooses how cautious to be by F2 on the first set, and measures everything with it."""

    def find(text: str) -> list[tuple[int, int, str]]:
        return [(span.start, span.end, span.kind) for span in tagger.find(text)]

    first = next(iter(sets.values()))
    trials = {}
    for caution in _CAUTIONS:
        tagger.caution = caution
        trials[caution] = measure(first, find, ("PER", "LOC"))
    best = max(trial["f2"] for trial in trials.values())
    tagger.caution = min(caution for caution, trial in trials.items() if trial["f2"] >= best - _AS_GOOD)
    report: dict[str, object] = {"trials": trials, "caution": tagger.caution}
    for name, texts in sets.items():
        groups = {"PERSON": ("PER",), "LOCATION": ("LOC",), "ORGANIZATION": ("ORG",), "both": ("PER", "LOC")}
        report[name] = {label: measure(texts, find, kinds) for label, kinds in groups.items()}
    return report


def _write(path: Path, learner: Learner, lists: Mapping[int, int], common: Mapping[int, int], caution: float) -> None:
    rows = np.flatnonzero(learner.table.any(axis=1))
    scale = np.float32(np.abs(learner.table).max() / 127)
    np.savez_compressed(
        path,
        bits=np.uint8(_BITS),
        rows=np.diff(rows, prepend=0).astype(np.uint16),
        values=np.rint(learner.table[rows] / scale).astype(np.int8),
        scale=scale,
        steps=learner.steps,
        caution=np.float32(caution),
        list_keys=np.array(list(lists), dtype=np.uint32),
        list_values=np.array(list(lists.values()), dtype=np.uint8),
        common_keys=np.array(list(common), dtype=np.uint32),
        common_values=np.array(list(common.values()), dtype=np.uint8),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
