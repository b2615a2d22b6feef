"""What the model learns from: public data sets read from a folder that is given, and texts generated here."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.guardrail_training.texts import english, other_languages, styles, tasks

SEED = 20_251_121
_SENTENCES = 6  # of a tweet file, joined: a text of usual length


@dataclass(frozen=True, slots=True)
class Row:
    """One text: attack or not, its family, where such a text comes from, which group of languages."""

    text: str
    attack: bool
    family: str
    source: str = "user"


def rows_of(folder: Path) -> list[Row]:
    """Everything, in a fixed order. Texts that stand in two families count for the first only."""
    found: dict[str, Row] = {}
    tweets = list(_tweets(folder / "ner"))
    web = _web(folder / "ner" / "uner_ewt_train.iob2", folder / "real" / "messages.jsonl")
    for row in (*_public(folder / "guardrail"), *tweets, *web, *_generated([row.text for row in tweets])):
        found.setdefault(" ".join(row.text.split()).casefold(), row)
    return list(found.values())


def _public(folder: Path) -> Iterator[Row]:
    for entry in _json(folder / "deepset_prompt_injections.jsonl"):
        yield Row(entry["text"], entry["label"] == 1, "deepset")
    for entry in _json(folder / "jailbreak_classification.jsonl"):
        yield Row(entry["text"], entry["label"] == 1, "jailbreak")
    for entry in _json(folder / "mitre_frr_benign.jsonl"):
        yield Row(entry["text"], False, "mitre")
    for entry in _json(folder / "role_play_benign.jsonl"):
        if not _odd(entry["text"]):
            yield Row(entry["text"], False, "role_play")
    contexts = [entry["text"] for entry in _json(folder / "bipia_contexts_train.jsonl")]
    yield from (Row(text, False, "bipia", "retrieved") for text in contexts)
    # A payload that reads harmlessly alone teaches nothing; those that are code do, inside a document.
    chance = random.Random(SEED)  # noqa: S311 - reproducible, no secret
    for entry in _json(folder / "bipia_attack_train.jsonl"):
        if str(entry["kind"]).startswith("code"):
            yield Row(chance.choice(contexts)[:600] + "\n" + entry["text"], True, "bipia", "retrieved")
            yield Row(entry["text"], True, "bipia", "retrieved")


_ODD = (
    "do anything now", "no restrictions", "jailbreak", "unfiltered", "dan mode", "system prompt",
    "previous instructions", "unethical", "without any filter", "ignore all your", "uncensored", "bypass",
)  # fmt: skip


def _odd(text: str) -> bool:
    """Some of the "act as" texts are jailbreaks themselves."""
    lowered = text.lower()
    return any(mark in lowered for mark in _ODD)


def _tweets(folder: Path) -> Iterator[Row]:
    for name in ("broad_twitter_train.conll", "wnut17_train.conll"):
        sentences = [
            " ".join(line.split()[0] for line in block.splitlines() if line.strip())
            for block in (folder / name).read_text(encoding="utf-8").split("\n\n")
        ]
        sentences = [sentence for sentence in sentences if len(sentence) > 20][:3_000]
        for start in range(0, len(sentences), _SENTENCES):
            size = 1 if start % (2 * _SENTENCES) else _SENTENCES
            yield Row(" ".join(sentences[start : start + size]), False, "tweets", "retrieved")


def _web(sentences: Path, kept_aside: Path) -> Iterator[Row]:
    """Mail, reviews and answers, some sentences each; none of the messages on which false alarms are counted."""
    aside = _letters(" ".join(entry["text"] for entry in _json(kept_aside)))
    chance = random.Random(SEED)  # noqa: S311 - reproducible, no secret
    piece: list[str] = []
    wanted = 8
    for block in sentences.read_text(encoding="utf-8").split("\n\n"):
        text = next((line[9:] for line in block.splitlines() if line.startswith("# text = ")), "")
        if not text or _letters(text) in aside:
            continue
        piece.append(text)
        if len(piece) >= wanted:
            yield Row(" ".join(piece), False, "web", chance.choice(("user", "retrieved")))
            piece, wanted = [], chance.choice((1, 4, 8, 16, 24))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _generated(passages: Sequence[str]) -> Iterator[Row]:
    chance = random.Random(SEED)  # noqa: S311 - reproducible, no secret
    harmless = list(tasks(passages, 2_400, SEED))
    for text in harmless:
        yield Row(text, False, "tasks")
    for text in english("attacks", 2_800, SEED):
        yield Row(text if chance.random() < 0.8 else f"{chance.choice(harmless)} {text}", True, "generated")
    for text in other_languages("attacks", 400, SEED + 1):
        yield Row(text, True, "generated_languages")
    for text in english("benign", 3_000, SEED + 2):
        yield Row(text, False, "generated")
    for text in other_languages("benign", 400, SEED + 3):
        yield Row(text, False, "generated_languages")
    for text in styles("attacks", 1_600, SEED + 4):
        yield Row(text if chance.random() < 0.8 else f"{chance.choice(harmless)} {text}", True, "styles")
    for text in styles("harmless", 2_000, SEED + 5):
        yield Row(text, False, "styles")


def _json(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())
