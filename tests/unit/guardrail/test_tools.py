"""Strict JSON, definitions and arguments."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.guardrail.policy import arguments, strict_json
from services.guardrail.policy.definition import DefinitionError, compiled, define

REFUND = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^[a-z0-9-]+$", "maxLength": 32},
        "amount": {"type": "integer", "minimum": 1, "maximum": 500},
        "shop": {"type": "string", "x-resource": "Brand"},
        "shops": {"type": "array", "items": {"type": "string"}, "x-resource": "Brand", "maxItems": 300},
        "note": {"type": "string", "x-egress": True},
        "mails": {
            "type": "array",
            "items": {"type": "object", "properties": {"to": {"type": "string", "x-egress": True}}},
        },
        "speed": {"enum": ["slow", "fast"]},
        "where": {"$ref": "#/$defs/where"},
    },
    "required": ["order", "amount"],
    "$defs": {"where": {"anyOf": [{"type": "string", "x-resource": "Brand"}, {"type": "null"}]}},
}


def made(schema: Any = None) -> Any:
    return compiled(define("refund", json.dumps(REFUND if schema is None else schema), "orders.refund", "").schema)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":1e999}',
     '{"a":1}x', "{'a':1}", '{"a":01}', '{"a":"\\ud800"}', '{"\\udc00":1}', '{"a":1,}', "[" * 40 + "]" * 40,
     "[" + "1," * 2500 + "1]", '{"a":' + "9" * 99 + "}", "\ufeff{}", '{"a":"\x00"}'],
)  # fmt: skip
def test_json_that_is_not_strict(text: str) -> None:
    with pytest.raises(strict_json.NotStrictError):
        strict_json.parse(text)


SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALAR | st.text(max_size=8),
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.text(max_size=4), of, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_strict_json_reads_what_json_writes(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert strict_json.parse(json.dumps(value)) == value


@given(st.text(max_size=40, alphabet='{}[]",:0123456789eE+-.\\untrfals aNI'))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    try:
        value = strict_json.parse(text)
    except strict_json.NotStrictError:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "schema",
    [
        [], True, {"type": "string"}, {"properties": {}}, {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": {"type": "text"}}},
        {"type": "object", "patternProperties": {"a": {}}},
        {"type": "object", "if": {}},
        {"type": "object", "unevaluatedProperties": False},
        {"type": "object", "$id": "https://elsewhere.example/s"},
        {"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/s"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}},
         "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
        {"type": "object", "properties": {"a": {"$defs": {}}}},
        {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+", "maxLength": 9}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "a"}}},
        {"type": "object", "properties": {"a": {"type": "string", "x-egress": "yes"}}},
        {"type": "object", "properties": {"a": {"type": "integer", "x-resource": "Brand"}}},
        {"type": "object", "properties": {"a": {"type": "string", "x-resource": "no type"}}},
        {"type": "object", "properties": {"a": {"type": "array", "x-resource": "Brand"}}},
        {"type": "object", "properties": {str(n): {"anyOf": [{"type": "string"}] * 10} for n in range(400)}},
    ],
)  # fmt: skip
def test_definitions_that_are_not_taken(schema: Any) -> None:
    with pytest.raises(DefinitionError):
        made(schema)


def test_every_word_is_pinned_and_spelling_is_not() -> None:
    def of(schema: str, permission: str = "orders.refund", text: str = "") -> str:
        return define("refund", schema, permission, text).hash

    plain = of('{"type":"object","properties":{}}')
    assert plain == of('{ "properties": {}, "type": "object", "additionalProperties": false }')
    assert len({plain, of('{"type":"object"}'), of('{"type":"object","properties":{}}', "tools.call"),
                of('{"type":"object","properties":{}}', text="x")}) == 4  # fmt: skip


def test_egress_is_named_and_a_list_counts_as_a_whole() -> None:
    assert made().egress == ("/mails", "/note")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"amount":5}', ["/: missing order"]),
        ('{"order":"o-1","amount":"5"}', ["/amount: must be of type integer"]),
        ('{"order":"o-1","amount":5.5}', ["/amount: must be of type integer"]),
        ('{"order":"o-1","amount":true}', ["/amount: must be of type integer"]),
        ('{"order":"o-1","amount":900}', ["/amount: must be at most 500"]),
        ('{"order":"O 1","amount":5}', ["/order: must match the pattern"]),
        ('{"order":"o-1","amount":5,"admin":1}', ["/: only these fields are taken", "amount"]),
        ('{"order":"o-1","amount":5,"speed":"warp"}', ['/speed: must be one of ["slow","fast"]']),
        ('{"order":"o-1","amount":0,"note":7}', ["/amount: must be at least 1", "/note: must be of type string"]),
        ('{"order":"o-1","order":"o-2","amount":5}', ["key twice"]),
        ('["order"]', ["one JSON object"]),
        ("null", ["one JSON object"]),
        ("please refund", ["strict JSON"]),
    ],
)
def test_repairs_name_field_and_rule(text: str, words: list[str]) -> None:
    found = arguments.check(made(), text)
    assert all(word in found.repair for word in words), found.repair
    assert not any(value in found.repair for value in ("900", "warp", "O 1", "o-2", "please"))
    assert found.sha256 == "" and not found.resources


def test_a_long_value_is_not_searched_and_nothing_is_coerced() -> None:
    found = arguments.check(made(), json.dumps({"order": "a" * 200_000, "amount": 5}))
    assert "at most 32" in found.repair


def test_every_named_resource_is_found() -> None:
    text = '{"order":"o-1", "amount":5, "shop":"a", "shops":["b","c"], "where":"d"}'
    found = arguments.check(made(), text)
    assert {(named.type, named.id, named.pointer) for named in found.resources} == {
        ("Brand", "a", "/shop"), ("Brand", "b", "/shops/0"), ("Brand", "c", "/shops/1"), ("Brand", "d", "/where"),
    }  # fmt: skip
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_too_many_resources_are_refused() -> None:
    found = arguments.check(made(), json.dumps({"order": "o-1", "amount": 5, "shops": [f"s{n}" for n in range(250)]}))
    assert "At most" in found.repair
