"""Names: the model on sentences of our own, what is made of its findings, and what the policy may say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.redaction.engine import Redactor
from services.redaction.ner.frames import framed
from services.redaction.ner.own_model import OwnModel
from services.redaction.ner.spacy_model import installed
from services.redaction.ner.tagger import Tagger, WeightsError
from services.redaction.ner.worker import WEIGHTS, answer, load
from services.redaction.policy.model import Finding, Rules, RulesError, Scan, WhenLate
from services.redaction.policy.names import refine, with_names
from services.redaction.policy.rules import parse_rules

BOTH = ["PERSON", "LOCATION"]


@cache
def model() -> OwnModel:
    return OwnModel(WEIGHTS)


def names(*texts: str) -> list[list[tuple[str, str]]]:
    found = answer(model(), {"texts": list(texts), "wanted": BOTH})["names"]
    return [[(kind, text[a:b]) for kind, a, b, _ in row] for text, row in zip(texts, found, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Anna Petrova and I live in Lisbon.", {("PERSON", "Anna Petrova"), ("LOCATION", "Lisbon")}),
        ("Dear Mr. Okonkwo,\nthank you.\nKind regards,\nJuliane Hofmann", {("PERSON", "Juliane Hofmann")}),
        ("hey can u call maria she is in madrid", {("PERSON", "maria"), ("LOCATION", "madrid")}),
        ("Book a flight from Nairobi to Toronto for Wei Zhang", {("LOCATION", "Nairobi"), ("LOCATION", "Toronto")}),
        ('{"name": "Priya Raman", "city": "Chennai"}', {("PERSON", "Priya Raman"), ("LOCATION", "Chennai")}),
        ("Здравствуйте, меня зовут Иван Петров.", {("PERSON", "Иван Петров")}),
    ],
)
def test_names_and_places_are_found(text: str, expected: set[tuple[str, str]]) -> None:
    assert expected <= set(names(text)[0])


@pytest.mark.parametrize(
    "text",
    [
        "Hello, can you help me with my order? It has not arrived yet.",
        "How do I write a loop in Python?",
        "INFO request 1234 done in 5 ms",
        "Please summarise the text below in three points. Thank you!",
        "SELECT id, total FROM orders WHERE status = 'open';",
        "",
        " \n ",
    ],
)
def test_a_text_without_names_stays_whole(text: str) -> None:
    assert names(text) == [[]]


def test_the_same_text_gives_the_same_alone_and_among_others() -> None:
    texts = [
        "Anna called.",
        "",
        "from Lisbon to oslo with bob smith",
        "x" * 9000,
        "Dear Peter,\n\nwe met in Rome.\nAnna",
    ]
    assert names(*texts) == [names(text)[0] for text in texts] == names(*texts)


def test_offsets_are_those_of_the_text_as_it_was_given() -> None:
    text = "😀 my name is Ａｎｎａ Pet\u200brova 😀"
    assert ("PERSON", "Ａｎｎａ Pet\u200brova") in names(text)[0]


def test_a_name_seen_once_is_covered_wherever_it_stands() -> None:
    text = "Anna Petrova wrote. petrovas, Petrova; Anna."
    found = refine(text, [Finding("PERSON", 0, 12, 0.9)])
    assert [text[f.start : f.end] for f in found] == ["Anna Petrova", "Petrova", "Anna"]


def test_what_has_no_letter_is_no_name() -> None:
    assert refine("-- 12", [Finding("PERSON", 0, 2, 0.9), Finding("LOCATION", 3, 5, 0.9)]) == []


def test_a_name_and_a_pattern_that_overlap_become_one_and_unsure_names_do_not_count() -> None:
    rules = Rules(frozenset({"PERSON", "EMAIL_ADDRESS"}), thresholds={"PERSON": 0.7})
    scan = Scan((Finding("EMAIL_ADDRESS", 5, 15, 1.0),))
    joined = with_names(scan, [Finding("PERSON", 0, 8, 0.8), Finding("PERSON", 20, 25, 0.6)], rules)
    assert joined.findings == (Finding("EMAIL_ADDRESS", 0, 15, 1.0),)


def test_weights_that_are_none_are_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "weights.npz"
    broken.write_bytes(b"none")
    for path in (broken, tmp_path / "missing.npz"):
        with pytest.raises(WeightsError):
            Tagger.load(path)


@pytest.mark.parametrize("name", ["no_such_model_here", "../model", "", "a.b"])
def test_a_model_that_is_not_there_is_not_installed(name: str) -> None:
    assert not installed(name)


class Asked:
    rules = Rules(frozenset())

    async def scan(self, texts: Sequence[str], rules: Rules) -> list[Scan]:
        self.rules = rules
        return [Scan((), degraded=True) for _ in texts]


async def test_who_wants_no_names_is_told_that_nobody_looked_for_them() -> None:
    asked = Asked()
    book = parse_rules(policy(entities=["PERSON", "US_SSN"]), frozenset({"PERSON", "LOCATION"}))
    nothing: Any = None
    redactor = Redactor(book, asked, nothing, nothing, seconds=300, most_characters=1000)
    caller: Any = SimpleNamespace(organisation="acme", brand="")
    quick = await redactor.detect(caller, ["text"], ["LOCATION"], names=False)
    assert asked.rules.entities == {"US_SSN", "LOCATION"}
    assert quick.not_searched == ("PERSON",)
    whole = await redactor.detect(caller, ["text"], [])
    assert asked.rules.entities == {"US_SSN", "PERSON"}
    assert not whole.not_searched
    assert whole.degraded


def test_a_frame_says_how_long_it_is() -> None:
    assert framed(b"abc") == b"\x00\x00\x00\x03abc"


def policy(**more: object) -> dict[str, object]:
    return {"version": 1, "entities": ["PERSON"], **more}


def test_late_names_refuse_unless_the_policy_says_otherwise() -> None:
    assert parse_rules(policy()).rules_for("acme", "").names_late is WhenLate.CLOSED
    book = parse_rules(
        policy(
            additions=[
                {"organisation": "acme", "brand": "fast", "names": {"when_late": "patterns_only"}},
                {"organisation": "acme", "names": {"when_late": "closed"}},
            ]
        )
    )
    late = {brand: book.rules_for("acme", brand).names_late for brand in ("fast", "other", "")}
    assert late == {"fast": WhenLate.PATTERNS_ONLY, "other": WhenLate.CLOSED, "": WhenLate.CLOSED}
    assert book.rules_for("globex", "fast").names_late is WhenLate.CLOSED


@pytest.mark.parametrize("value", [{"when_late": "open"}, {"when_late": None}, {"late": "closed"}, "closed"])
def test_another_word_for_it_is_refused(value: object) -> None:
    with pytest.raises(RulesError):
        parse_rules(policy(names=value))


TINY = """
import spacy
def load(vocab=True, disable=(), enable=(), exclude=(), config=()):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([
        {"label": "PERSON", "pattern": "Anna"}, {"label": "GPE", "pattern": "Rome"},
        {"label": "DATE", "pattern": "May"},
    ])
    return nlp
"""


def test_a_package_of_spacy_finds_names_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, about = tmp_path / "tiny_names", tmp_path / "tiny_names-1.0.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text(TINY)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-names\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed("tiny_names")
    answered = answer(load("tiny_names"), {"texts": ["Anna saw Rome in May", "none"], "wanted": BOTH})
    assert answered == {"names": [[("PERSON", 0, 4, 0.85), ("LOCATION", 9, 13, 0.85)], []]}
