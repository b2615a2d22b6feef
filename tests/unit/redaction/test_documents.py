"""JSON: values into strings only, escaped, the rest of the document byte for byte as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.redaction.policy.documents import NotAPointer, NotJson, fill_document, pointer, strings_of
from services.redaction.policy.placeholders import Filled, Slot
from services.redaction.policy.sinks import Sink
from tests.unit.redaction.book import outlet

AWKWARD = 'Q"uo\\te\n{"a": 1}\u2028é'
VALUES = {Slot("PERSON", 1): AWKWARD, Slot("US_SSN", 1): "219-09-9999", Slot("EMAIL_ADDRESS", 1): "j@mail.example"}


def restore(document: str, *keep: str, hosts: frozenset[str] = frozenset()) -> Filled:
    strings = strings_of(document, [pointer(one) for one in keep])
    return fill_document(document, strings, VALUES, outlet(*hosts, sink=Sink.TOOL_ARGUMENT))


def test_values_are_escaped_and_all_else_stays() -> None:
    document = '{ "a" : "Hi <PERSON>",\n "n": 1.0e+10, "a":[ "<US_SSN>" , true,"\\u003cUS_SSN\\u003E", "\\u00e9\\/" ] }'
    filled = restore(document)
    name = json.dumps(AWKWARD, ensure_ascii=False)[1:-1]
    assert filled.text == (
        f'{{ "a" : "Hi {name}",\n "n": 1.0e+10, "a":[ "219-09-9999" , true,"219-09-9999", "\\u00e9\\/" ] }}'
    )
    assert (filled.restored, filled.unknown, filled.withheld) == (3, 0, 0)


def test_keys_and_unknown_placeholders_stay() -> None:
    filled = restore('{"<US_SSN>": {"<US_SSN_7>": "<US_SSN_7>"}}')
    assert filled.text == '{"<US_SSN>": {"<US_SSN_7>": "<US_SSN_7>"}}'
    assert (filled.restored, filled.unknown, filled.withheld) == (0, 2, 1)


@pytest.mark.parametrize(
    "content",
    [
        "https://x/?q=<US_SSN>", "//x/<US_SSN>", "HTTPS://x/ <US_SSN>", " \\thttps://x/ a <US_SSN>",
        "ht\\ntps://x/ <US_SSN>", "elsewhere.example/a b <US_SSN>", "mailto:x@y.example?body=a <US_SSN>", "![](https://x/?<US_SSN>)",
        "<US_SSN>.elsewhere.example", "https:\\\\\\\\x/ <US_SSN>", "<img src='/x/ <US_SSN>'>", "\\u0068ttps://x/<US_SSN>",
    ],
)  # fmt: skip
def test_strings_that_are_links_stay(content: str) -> None:
    document = f'{{"url": "{content}", "who": "<EMAIL_ADDRESS>"}}'
    filled = restore(document)
    assert filled.text == f'{{"url": "{content}", "who": "j@mail.example"}}'
    assert (filled.restored, filled.withheld) == (1, 1)


def test_a_link_to_a_host_of_the_list_is_filled_unless_it_has_blanks() -> None:
    hosts = frozenset({"shop.example"})
    filled = restore('["https://shop.example/?m=<EMAIL_ADDRESS>", "https://shop.example/? <US_SSN>"]', hosts=hosts)
    # Behind the blank stands text; but who reads the string as an address reads on.
    assert filled.text == '["https://shop.example/?m=j%40mail.example", "https://shop.example/? <US_SSN>"]'


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["/to"], {"to"}),
        (["/list/1"], {"b"}),
        (["/list/*"], {"a", "b"}),
        (["/list"], {"a", "b"}),
        (["/deep/*/x"], {"x"}),
        (["/o~1d~0d"], {"odd"}),
        ([""], {"to", "a", "b", "x", "odd"}),
        (["/none", "/to/x", "/list/9"], set()),
    ],
)
def test_fields_to_keep(keep: list[str], kept: set[str]) -> None:
    places = {"to": ("to",), "a": ("list", 0), "b": ("list", 1), "x": ("deep", 0, "x"), "odd": ("o/d~d",)}
    document = {"to": "<US_SSN>", "list": ["<US_SSN>", "<US_SSN>"], "deep": [{"x": "<US_SSN>"}], "o/d~d": "<US_SSN>"}
    filled = restore(json.dumps(document), *keep)
    for name, place in places.items():
        at = json.loads(filled.text)
        for step in place:
            at = at[step]
        assert at == ("<US_SSN>" if name in kept else "219-09-9999"), name
    assert (filled.restored, filled.withheld) == (5 - len(kept), len(kept))


def test_both_of_two_fields_of_one_name_are_kept() -> None:
    assert restore('{"to": "<US_SSN>", "t\\u006f": "<US_SSN>"}', "/to").restored == 0


@pytest.mark.parametrize("text", ["", "{", '{"a": <US_SSN>}', '"a" "b"', "{'a': 1}", "NaN", "[1,]", "[" * 100_000])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        strings_of(text)


def test_a_name_of_a_field_is_a_pointer() -> None:
    with pytest.raises(NotAPointer):
        pointer("to")


texts = st.lists(
    st.sampled_from(["<US_SSN>", "<PERSON>", "a", '"', "\\", "\n", "é", "\ud800", "/", ":", "{", ","])
).map("".join)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(documents, st.booleans())
def test_the_structure_stays(document: object, ascii_only: bool) -> None:
    written = json.dumps(document, ensure_ascii=ascii_only)
    filled = restore(written)
    assert _shape(json.loads(filled.text)) == _shape(document)
    if not filled.restored:
        assert filled.text == written


def _shape(document: object) -> object:
    if isinstance(document, dict):
        return {key: _shape(inner) for key, inner in document.items()}
    if isinstance(document, list):
        return [_shape(inner) for inner in document]
    return str if isinstance(document, str) else document
