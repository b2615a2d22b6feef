"""Beside Presidio's own engine, at a small size; `python -m bench.redaction_agreement` is the full one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.redaction_agreement import compare, reason_of, texts_of
from bench.redaction_eval import matched, measure
from bench.redaction_rows import BadRow, Span, read_rows
from bench.redaction_text import rows


def test_wrapped_recognizers_give_the_spans_of_presidio_and_own_ones_no_fewer() -> None:
    found = compare(list(texts_of(11, 250)))
    assert found["wrapped"]["spans"] > 400
    assert found["wrapped"]["texts_differing"] == 0, found["wrapped"]["by_entity"]
    assert found["superseded"]["spans"] > 100
    assert found["superseded"]["unexplained"] == {}


def test_an_exception_needs_a_reason() -> None:
    assert reason_of("from 10.20.30.40 on", "PHONE_NUMBER", 5, 16) == "address by numbers"
    assert reason_of("call 1234567893", "PHONE_NUMBER", 5, 15) == ""
    assert reason_of("SSN 219-09-9999", "US_SSN", 4, 15) == ""
    assert reason_of("SSN 219099999", "US_SSN", 4, 13) == ""
    assert reason_of("passport 219099999", "US_SSN", 9, 18) == "nine figures, and no word for it near"


async def test_evaluation_of_generated_text(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows(5, 60)))
    found = await measure(data)
    assert found["n"] == 60
    for entity in ("CREDIT_CARD", "US_SSN", "EMAIL_ADDRESS", "SECRET", "PHONE_NUMBER"):
        assert found["by_type"][entity]["recall"] == 1.0, entity
        assert found["by_type"][entity]["leaked_character_rate"] < 0.01, entity


async def test_what_is_not_found_counts_as_leaked(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    spans = [{"start": 0, "end": 6, "type": "SSN"}, {"start": 7, "end": 18, "type": "us-ssn"}]
    data.write_text(json.dumps({"text": "zzzzzz 219-09-9999", "spans": spans}))
    found = await measure(data)
    assert found["metrics"] == {"precision": 1.0, "recall": 0.5, "f2": 0.5556, "leaked_character_rate": 0.3529}


def test_one_finding_answers_for_one_label_and_only_when_it_fits() -> None:
    labels = [Span(0, 10, "PERSON"), Span(20, 30, "PERSON")]
    assert matched(labels, [Span(0, 8, "LOCATION"), Span(20, 25, "PERSON")]) == {0: 0}
    assert matched(labels, [Span(0, 30, "PERSON")]) == {}


@pytest.mark.parametrize("line", ["{}", "[]", "x", '{"text": "a", "spans": [{"start": 0, "end": 2, "type": "X"}]}'])
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text('{"text": "", "spans": []}\n' + line)
    with pytest.raises(BadRow, match="line 2"):
        list(read_rows(data))


def test_columns_are_read_as_rows(tmp_path: Path) -> None:
    data = tmp_path / "x.iob2"
    data.write_text(
        "# text = x\n1\tJane\tB-PER\t-\t-\n2\tRoe\tI-PER\t-\t-\n3\twaits\tO\t-\t-\n\n1\tParis\tB-LOC\t-\t-\n"
    )
    assert [(row.text, row.spans) for row in read_rows(data)] == [
        ("Jane Roe waits", (Span(0, 8, "PERSON"),)),
        ("Paris", (Span(0, 5, "LOCATION"),)),
    ]


async def test_sentences_that_nothing_was_trained_on() -> None:
    found = await measure(Path(rows.__code__.co_filename).with_name("redaction_sentences.marked"))
    assert found["n"] == 96
    assert found["metrics"]["recall"] >= 0.85
    assert found["metrics"]["precision"] >= 0.8
    assert found["metrics"]["leaked_character_rate"] <= 0.06
    whole = ("CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "URL", "US_SSN", "US_PASSPORT", "NRP")
    leaks = {name: found["by_type"][name]["leaked_character_rate"] for name in whole}
    assert not any(leaks.values()), leaks
