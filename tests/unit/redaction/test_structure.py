"""What is JSON stays JSON: chat messages, arguments and results of tools, and whatever else comes with structure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument, Unavailable
from services.redaction.policy.json_texts import Form
from services.redaction.policy.model import Finding, Scan
from services.redaction.policy.offsets import OffsetUnit, convert
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Value
from services.redaction.work import RedactedText, Work
from tests.unit.redaction.book import search, shipped

RULES = shipped().rules_for("acme", "")
PERSONAL = ["219-09-9999", "jane.doe@example.com", "4532015112830366"]


def redact(*texts: str, form: Form, slots: dict[Value, Slot] | None = None) -> list[RedactedText]:
    """As the service does, numbered as the store would; `slots` goes on from call to call."""
    work = Work(texts, [form] * len(texts))
    work.found([search(text) for text in work.searched])
    work.sweep([(value.entity, value.text) for value in slots or ()], RULES)
    slots = {} if slots is None else slots
    for value in work.values():
        if value not in slots:
            slots[value] = Slot(value.entity, 1 + sum(one.entity == value.entity for one in slots))
    return work.redacted(slots)


CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "You help customers."},
    {"role": "user", "content": "I am jane.doe@example.com, ssn 219-09-9999", "name": "roe"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_9f3", "type": "function", "function": {
            "name": "find_order", "arguments": '{"mail": "jane.doe@example.com", "n": 10.50, "since":"2"}'}}]},
    {"role": "tool", "tool_call_id": "call_9f3", "content": '{"card": 4532015112830366, "to": "jane.doe@example.com"}'},
    {"role": "user", "content": [
        {"type": "text", "text": "not bob@example.org but jane.doe@example.com"},
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "ssn 219-09-9999"}]}]},
]  # fmt: skip


def test_a_conversation_is_numbered_as_one() -> None:
    (done,) = redact(json.dumps(CHAT, indent=1), form=Form.CHAT)
    chat = json.loads(done.text)
    assert chat[1] == {"role": "user", "content": "I am <EMAIL_ADDRESS>, ssn <US_SSN>", "name": "roe"}
    call = chat[2]["tool_calls"][0]
    assert (call["id"], call["type"], call["function"]["name"]) == ("call_9f3", "function", "find_order")
    assert call["function"]["arguments"] == '{"mail": "<EMAIL_ADDRESS>", "n": 10.50, "since":"2"}'
    assert chat[3] == {
        "role": "tool",
        "tool_call_id": "call_9f3",
        "content": '{"card": "<CREDIT_CARD>", "to": "<EMAIL_ADDRESS>"}',
    }
    assert chat[4]["content"][0]["text"] == "not <EMAIL_ADDRESS_2> but <EMAIL_ADDRESS>"
    assert chat[4]["content"][1]["content"][0]["text"] == "ssn <US_SSN>"
    assert not any(value in done.text for value in PERSONAL)


def test_what_is_said_in_a_chat_is_found_as_in_a_text() -> None:
    for text in ("ssn 219-09-9999", "my card 4532015112830366 and (415) 555-2671", "nothing", '["ssn 219-09-9999"]'):
        (plain,) = redact(text, form=Form.AUTO)
        (chat,) = redact(json.dumps([{"role": "user", "content": text}]), form=Form.CHAT)
        assert json.loads(chat.text) == [{"role": "user", "content": plain.text}]


def test_names_of_the_protocol_are_searched_by_patterns() -> None:
    (done,) = redact('[{"role": "jane.doe@example.com", "tool_call_id": "219-09-9999"}]', form=Form.CHAT)
    assert not any(value in done.text for value in PERSONAL)


@pytest.mark.parametrize(
    "chat", ["{}", "[1]", '[{"content": "x"}]', '[{"role": 1}]', "null", "", "[", '[{"role": "user"}']
)
def test_what_is_no_chat_is_refused(chat: str) -> None:
    with pytest.raises(InvalidArgument):
        Work([chat], [Form.CHAT])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' {"a": "219-09-9999" , "b":[1.0, 1e5]}\n', ' {"a": "<US_SSN>" , "b":[1.0, 1e5]}\n'),
        ('{"a": "219-09-9999"', '{"a": "<US_SSN>"'),
        ("{219-09-9999}", "{<US_SSN>}"),
        ("219-09-9999", "<US_SSN>"),
        ('{"ssn": "2\\u00319-09-9999", "x": "\\ud800 219-09-9999", "y": "\\ud800"}',
         '{"ssn": "<US_SSN>", "x": "\ufffd <US_SSN>", "y": "\\ud800"}'),
    ],
)  # fmt: skip
def test_json_where_it_is_json(text: str, expected: str) -> None:
    assert redact(text, form=Form.AUTO)[0].text == expected


strings = st.lists(
    st.sampled_from(
        [
            *(f" {value} " for value in PERSONAL),
            "ssn ",
            '"',
            "\\",
            "\n",
            "é",
            "😀",
            "a",
            "{",
            "[",
            " ",
            "\u2028",
            "<US_SSN>",
        ]
    )
).map("".join)
documents = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-999, 99_999), st.floats(allow_nan=False, allow_infinity=False), strings
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(strings, inner, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=120, deadline=None)
@given(documents, st.booleans(), st.sampled_from([None, 1]))
def test_the_structure_stays_and_no_value_does(document: object, ascii_only: bool, indent: int | None) -> None:
    written = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    (done,) = redact(written, form=Form.JSON)
    parsed = json.loads(done.text)
    assert _shape(parsed) == _shape(document)
    assert _blanks(done.text) == _blanks(written)
    assert not any(value in json.dumps(parsed, ensure_ascii=False) for value in PERSONAL)
    if not done.scan.findings:
        assert done.text == written


@settings(max_examples=60, deadline=None)
@given(st.lists(strings, min_size=1, max_size=5), st.sampled_from([Form.TEXT, Form.AUTO]))
def test_many_at_once_give_what_one_after_the_other_gives(texts: list[str], form: Form) -> None:
    together: dict[Value, Slot] = {}
    # What a later text gives away is found in an earlier one of the same call, too: so the singles go twice.
    redact(*texts, form=form, slots=together)
    assert redact(*texts, form=form, slots=together) == [
        redact(text, form=form, slots=dict(together))[0] for text in texts
    ]


def _shape(document: object) -> object:
    if isinstance(document, dict):
        return [_shape(inner) for inner in document.values()] if len(document) == len(set(document)) else None
    if isinstance(document, list):
        return [_shape(inner) for inner in document]
    if isinstance(document, bool) or document is None:
        return document
    # A number that is personal data becomes a string; any other stays what it is.
    return document if isinstance(document, int | float) and len(json.dumps(document)) < 7 else "text"


def _blanks(written: str) -> list[str]:
    """What stands between the words of a document."""
    between, at = [], 0
    decoder = json.JSONDecoder()
    while at < len(written):
        if written[at] == '"':
            _, at = decoder.raw_decode(written, at)
            between.append("s")
        else:
            between.append(written[at] if written[at] in "{}[],: \n" else "")
            at += 1
    return [blank for blank in between if blank and blank != "s"]


@pytest.mark.parametrize(
    "findings",
    [
        [(0, 99)], [(-1, 3)], [(3, 3)], [(4, 2)], [(0, 4), (2, 6)], [(4, 6), (0, 2)],
    ],
)  # fmt: skip
def test_findings_that_cannot_be_are_not_believed(findings: list[tuple[int, int]]) -> None:
    work = Work(["219-09-9999"], [Form.TEXT])
    scan = Scan(tuple(Finding("US_SSN", start, end, 1.0) for start, end in findings))
    for scans in ([scan], [], [Scan(()), Scan(())]):
        with pytest.raises(Unavailable):
            work.found(scans)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("aé\u0301😀👩\u200d🔬ש\u202e\uffff\U0001f1e9\x00 \n漢")), st.data())
def test_offsets_in_every_unit(text: str, data: st.DataObject) -> None:
    offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    # Counted character by character, by the definition of each encoding.
    octets = [0]
    units = [0]
    for ch in text:
        code = ord(ch)
        octets.append(octets[-1] + (1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4))
        units.append(units[-1] + (2 if code > 0xFFFF else 1))
    assert convert(text, offsets, OffsetUnit.CODE_POINT) == offsets
    assert convert(text, offsets, OffsetUnit.UTF8_BYTE) == [octets[offset] for offset in offsets]
    assert convert(text, offsets, OffsetUnit.UTF16) == [units[offset] for offset in offsets]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from([*PERSONAL, " ", "😀 ", "é ", "e\u0301 ", "👩\u200d🔬 ", "שלום ", "ssn "])).map("".join)
)
def test_what_stands_at_an_offset_is_what_was_found(text: str) -> None:
    for form in (Form.TEXT, Form.JSON):
        given_text = (
            text
            if form is Form.TEXT
            else json.dumps([text, json.dumps([text], ensure_ascii=False)], ensure_ascii=False)
        )
        (done,) = redact(given_text, form=form)
        spans = [offset for finding in done.scan.findings for offset in (finding.start, finding.end)]
        octets, units = given_text.encode(), given_text.encode("utf-16-le")
        by_octet = convert(given_text, spans, OffsetUnit.UTF8_BYTE)
        by_unit = convert(given_text, spans, OffsetUnit.UTF16)
        for place, finding in enumerate(done.scan.findings):
            wanted = given_text[finding.start : finding.end]
            first, after = by_octet[2 * place], by_octet[2 * place + 1]
            assert octets[first:after].decode() == wanted
            first, after = by_unit[2 * place], by_unit[2 * place + 1]
            assert units[2 * first : 2 * after].decode("utf-16-le") == wanted
