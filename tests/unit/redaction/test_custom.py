"""Recognizers of an organisation: only its own, only in linear time, and errors that quote no pattern."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from services.redaction.policy.custom import custom_of
from services.redaction.policy.model import RulesError
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.policy.scan import scan
from tests.unit.redaction.book import POLICY, presidio

STAFF = {"entity": "EMPLOYEE_ID", "pattern": r"\bE-[0-9]{6}\b", "score": 0.3, "context": ["employee"]}


def book(*recognizers: dict[str, Any], brand: str = "") -> RuleBook:
    data = yaml.safe_load(POLICY.read_text())
    data["additions"] = [{"organisation": "acme", "brand": brand, "recognizers": list(recognizers)}]
    return parse_rules(data, presidio().findable)


def found(rules: RuleBook, text: str, organisation: str = "acme", brand: str = "") -> list[tuple[str, str]]:
    findings = scan(text, rules.rules_for(organisation, brand), rules.knows).findings
    return [(f.entity, text[f.start : f.end]) for f in findings]


def test_found_for_its_organisation_alone_and_by_the_words_around() -> None:
    mine = book(STAFF)
    assert found(mine, "employee E-123456 left") == [("EMPLOYEE_ID", "E-123456")]
    assert found(mine, "é😀 E\u2011１２３456 is an employee") == [("EMPLOYEE_ID", "E\u2011１２３456")]
    assert found(mine, "box E-123456 left") == []
    assert found(mine, "employee E-123456 left", "other") == []
    assert found(book(STAFF, brand="shop"), "employee E-123456", brand="bank") == []
    assert mine.not_searched(mine.rules_for("acme", "")) == ("LOCATION", "PERSON")


def test_its_placeholders_are_placeholders() -> None:
    mine = book(STAFF)
    assert mine.knows("EMPLOYEE_ID")
    assert found(mine, "<EMPLOYEE_ID_2>") == [("LITERAL", "<EMPLOYEE_ID_2>")]
    assert mine.rules_for("acme", "").entities > mine.rules_for("other", "").entities


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?=a)b", "(?<!a)b", "a*", "(", "x{1000}{1000}", "", "a" * 1001, None, 7, "(?P<n>a)(?P=n)"]
)
def test_a_pattern_that_is_not_linear_or_matches_nothing_is_refused(pattern: object) -> None:
    with pytest.raises(RulesError) as refused:
        custom_of({"entity": "X", "pattern": pattern}, frozenset())
    assert not pattern or len(str(pattern)) < 4 or str(pattern) not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"entity": "US_SSN"}, {"entity": "PERSON"}, {"entity": "LITERAL"}, {"entity": "IBAN_CODE"}, {"entity": "x"},
        {"entity": "X_2"}, {"score": 0}, {"score": 2}, {"score": True}, {"context": "word"}, {"context": [1]},
        {"context": ["w"] * 65}, {"flags": 1},
    ],
)  # fmt: skip
def test_an_entry_that_breaks_a_rule_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        book({**STAFF, **change})


def test_too_many_are_refused() -> None:
    with pytest.raises(RulesError):
        book(*({**STAFF, "entity": f"E{'A' * n}"} for n in range(65)))


def test_patterns_made_to_be_slow_are_not() -> None:
    started = time.perf_counter()
    for pattern in ("(a+)+b", "(a|aa)+b", "(.*a){12}b"):
        list(custom_of({"entity": "X", "pattern": pattern}, frozenset()).find("a" * 100_000))
    assert time.perf_counter() - started < 3.0
