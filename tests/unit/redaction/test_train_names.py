"""How the names model is trained: right slopes, the same result twice, labels that stand where the names are."""

from __future__ import annotations

import random

import numpy as np

from services.redaction.ner.features import TEMPLATES, Reader
from services.redaction.ner.tagger import LABELS, viterbi
from services.redaction.ner.tokens import tokens_of
from tools.ner.corpora import Labelled, join
from tools.ner.generated import Writer, cased
from tools.ner.learner import Learner, Rows, _slopes
from tools.ner.measure import measure

KINDS = len(LABELS)


def test_the_slopes_are_those_of_the_loss() -> None:
    chance = np.random.default_rng(1)
    scores = chance.normal(size=(2, 4, KINDS)).astype(np.float32)
    steps = chance.normal(size=(KINDS, KINDS)).astype(np.float32)
    mask = np.array([[True] * 4, [True, True, False, False]])
    gold = np.where(mask, chance.integers(0, KINDS, size=(2, 4)), 0)
    _, slope, step_slope = _slopes(scores, steps, gold, mask)
    for at in ((0, 0, 1), (0, 3, 2), (1, 1, 0), (0, 2, int(gold[0, 2]))):
        up, down = scores.copy(), scores.copy()
        up[at] += 0.01
        down[at] -= 0.01
        risen = (_slopes(up, steps, gold, mask)[0] - _slopes(down, steps, gold, mask)[0]) / 0.02
        assert abs(risen - slope[at]) < 0.01
    for place in ((0, 1), (3, 2)):
        up, down = steps.copy(), steps.copy()
        up[place] += 0.01
        down[place] -= 0.01
        risen = (_slopes(scores, up, gold, mask)[0] - _slopes(scores, down, gold, mask)[0]) / 0.02
        assert abs(risen - step_slope[place]) < 0.01


def learned(seed: int) -> Learner:
    text = "Anna met Bob in Rome ." * 30
    words = tokens_of(text).words
    kinds = {"Anna": 1, "Bob": 1, "Rome": 3}
    reader = Reader({}, {}, 12)
    labels = np.array([kinds.get(word, 0) for word in words], dtype=np.int64)
    rows = Rows(reader.features(reader.columns(words)), labels, tokens_of(text).rows)
    learner = Learner(12, seed)
    for _ in range(4):
        learner.epoch(rows, 1.0)
    scores = learner.table[rows.ids].sum(axis=1)
    assert (viterbi(scores, rows.bounds, learner.steps) == labels).all()
    return learner


def test_it_learns_and_the_same_seed_gives_the_same() -> None:
    one, two, other = learned(1), learned(1), learned(2)
    assert (one.table == two.table).all()
    assert (one.steps == two.steps).all()
    assert (one.table != other.table).any()


def test_every_word_has_a_number_for_each_template_whatever_stands_around() -> None:
    reader = Reader({}, {}, 10)
    ids = reader.features(reader.columns(["😀", "\n", "日", "O'Neil", "\u0301", "x" * 500, "@x", "1"]))
    assert ids.shape == (8, len(TEMPLATES))
    assert ids.min() > 0
    assert ids.max() < 1 << 10


def test_generated_texts_are_the_same_for_a_seed_and_names_stand_at_their_labels() -> None:
    texts = Writer(3).texts(1, 1, 1)
    assert texts == Writer(3).texts(1, 1, 1)
    for one in texts:
        for start, end, kind in one.spans:
            assert 0 <= start < end <= len(one.text)
            assert one.text[start:end] == one.text[start:end].strip()
            assert kind in ("PER", "LOC", "ORG")
    assert sum(len(one.spans) for one in texts) > 100


def test_other_names_and_cases_keep_the_labels_in_place() -> None:
    given = Labelled("Dear Anna Lund, is Rome nice?", ((5, 14, "PER"), (19, 23, "LOC")))
    for seed in range(20):
        changed = Writer(seed).renamed(given)
        assert changed.text.startswith("Dear ")
        assert changed.text.endswith(" nice?")
        assert [kind for _, _, kind in changed.spans] == ["PER", "LOC"]
    assert cased(given, str.lower) == Labelled(given.text.lower(), given.spans)
    assert join([given, given], "\n").spans[2:] == ((35, 44, "PER"), (49, 53, "LOC"))


def test_the_measure_counts_what_is_missed_and_made_up() -> None:
    text = Labelled("Anna Lund and Bob", ((0, 9, "PER"), (14, 17, "PER")))
    found = measure([text], lambda _: [(0, 9, "PER"), (10, 13, "PER")], ("PER",))
    assert (found["precision"], found["recall"], found["f2"]) == (0.5, 0.5, 0.5)
    assert found["leaked_character_rate"] == 0.25
    assert measure([text], lambda _: [], ("PER",))["recall"] == 0


def test_every_character_that_is_no_space_is_in_one_word() -> None:
    chance = random.Random(4)
    for _ in range(200):
        text = "".join(chance.choice("aB1 .\n'@日한éअ़😀-/s’") for _ in range(40))
        tokens = tokens_of(text)
        covered = [at for start, end in zip(tokens.starts, tokens.ends, strict=True) for at in range(start, end)]
        assert covered == sorted(set(covered))
        assert {at for at, sign in enumerate(text) if not sign.isspace()} <= set(covered)
        assert [a for row in tokens.rows for a in range(*row)] == list(range(len(tokens.words)))
