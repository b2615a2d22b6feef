"""Arguments that ask for kinds of personal data: where they are, and what is no such word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.guardrail.policy.definition import DefinitionError, define
from services.guardrail.policy.restorable import restorable

TEXT = {"type": "string"}


def asked(**properties: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    schema = {"type": "object", "properties": properties, "$defs": {"card": {**TEXT, "x-restore": ["CREDIT_CARD"]}}}
    return restorable(define("pay", json.dumps(schema), "chat.send", "").schema)


def test_every_place_that_asks_is_named() -> None:
    assert asked(plain=TEXT) == ()
    assert asked(a={"$ref": "#/$defs/card"}, b={**TEXT, "x-restore": ["SECRET", "IBAN_CODE", "SECRET"]}) == (
        ("/a", ("CREDIT_CARD",)),
        ("/b", ("IBAN_CODE", "SECRET")),
    )
    nested = {"type": "object", "properties": {"c/d": {"type": "array", "items": {"$ref": "#/$defs/card"}}}}
    assert asked(to=nested) == (("/to/c~1d/*", ("CREDIT_CARD",)),)
    assert asked(x={"anyOf": [{"$ref": "#/$defs/card"}, {"type": "null"}]}) == (("/x", ("CREDIT_CARD",)),)


def test_a_property_called_like_every_one_asks_for_nothing() -> None:
    assert asked(**{"*": {**TEXT, "x-restore": ["CREDIT_CARD"]}}) == ()


@pytest.mark.parametrize("word", [True, "CREDIT_CARD", [], [1], ["credit_card"], ["*"], ["A"] * 65, {"a": 1}, [""]])
def test_what_is_no_list_of_kinds_is_refused(word: object) -> None:
    with pytest.raises(DefinitionError):
        asked(a={**TEXT, "x-restore": word})
