"""Which values may go where: the policy's layers, and values written for the place that they land in."""

from __future__ import annotations

import random

import pytest
import yaml

from bench.chunkings import streamed
from services.redaction.policy.documents import Field, fill_document, pointer, strings_of
from services.redaction.policy.filling import Filler, fill
from services.redaction.policy.model import RulesError
from services.redaction.policy.placeholders import Slot
from services.redaction.policy.rules import RuleBook, parse_rules
from services.redaction.policy.sinks import Outlet, Sink
from tests.unit.redaction.book import POLICY, outlet, presidio, shipped

CARD, SSN, KEY = "4532015112830366", "219-09-9999", "sk-ant-api03-Zq8wJr2n"
VALUES = {
    Slot("CREDIT_CARD", 1): CARD,
    Slot("US_SSN", 1): SSN,
    Slot("SECRET", 1): KEY,
    Slot("PERSON", 1): "Zoe [Q] a|b & <c>\nd",
    Slot("LITERAL", 1): "<us_ssn> a|b\n]",
}


def with_additions(*additions: dict[str, object]) -> RuleBook:
    data = yaml.safe_load(POLICY.read_text())
    data["additions"] = list(additions)
    return parse_rules(data, presidio().findable)


def json_of(document: str, where: Outlet, *fields: Field) -> str:
    return fill_document(document, strings_of(document, (), fields), VALUES, where).text


def test_a_card_or_a_secret_is_no_argument_of_a_tool() -> None:
    document = '{"card": "<CREDIT_CARD>", "pay": ["< credit_card >"], "key": "<SECRET>", "who": "<US_SSN>"}'
    assert json_of(document, outlet(sink=Sink.TOOL_ARGUMENT)) == document.replace("<US_SSN>", SSN)
    shown = document.replace("<CREDIT_CARD>", CARD).replace("< credit_card >", CARD).replace("<SECRET>", KEY)
    assert json_of(document, outlet(sink=Sink.SHOWN)) == shown.replace("<US_SSN>", SSN)


def test_a_tools_definition_may_ask_for_one_kind_in_one_argument() -> None:
    document = '{"card": "<CREDIT_CARD> <SECRET>", "note": "<CREDIT_CARD>", "to": {"card": "<CREDIT_CARD>"}}'
    field = Field(pointer("/card"), frozenset({"CREDIT_CARD"}))
    filled = json_of(document, outlet(sink=Sink.TOOL_ARGUMENT), field)
    assert filled == document.replace('{"card": "<CREDIT_CARD>', '{"card": "' + CARD, 1)
    everywhere = Field(pointer("/*"), frozenset({"CREDIT_CARD"}))
    assert json_of(document, outlet(sink=Sink.TOOL_ARGUMENT), everywhere).count(CARD) == 3


def test_what_is_asked_for_goes_into_no_link_even_so() -> None:
    document = '{"card": "https://x.example/?<CREDIT_CARD>"}'
    assert json_of(document, outlet(sink=Sink.TOOL_ARGUMENT), Field((), frozenset({"CREDIT_CARD"}))) == document
    there = '{"card": "https://shop.example/?<CREDIT_CARD>"}'
    where = outlet("shop.example", sink=Sink.TOOL_ARGUMENT)
    assert json_of(there, where, Field((), frozenset({"CREDIT_CARD"}))) == there


@pytest.mark.parametrize("name", ["<CREDIT_CARD>", "<US_SSN>", "<SECRET>"])
@pytest.mark.parametrize(
    "form", ["[a](https://shop.example/?{})", "![a](https://shop.example/?{})", "https://shop.example/?{}"]
)
def test_not_everything_goes_into_links_to_listed_hosts(name: str, form: str) -> None:
    text = form.format(name)
    assert fill(text, VALUES, Filler(outlet("shop.example"))).text == text


def test_an_organisation_says_for_itself_and_a_brand_says_more() -> None:
    book = with_additions(
        {"organisation": "acme", "restore": {"tool_argument": {"allow": ["CREDIT_CARD"], "never": ["PERSON"]}}},
        {"organisation": "acme", "brand": "shop", "restore": {"tool_argument": {"never": ["*"], "allow": ["US_SSN"]}}},
        {
            "organisation": "acme",
            "brand": "desk",
            "restore": {"image": {"never": ["*"]}, "shown": {"never": ["SECRET"]}},
        },
    )
    arguments = Sink.TOOL_ARGUMENT
    acme, shop, desk, other = (
        book.sinks_for(*who) for who in (("acme", ""), ("acme", "shop"), ("acme", "desk"), ("b", "shop"))
    )
    assert [acme.allows(e, arguments) for e in ("CREDIT_CARD", "SECRET", "PERSON", "US_SSN")] == [
        True,
        False,
        False,
        True,
    ]
    assert [shop.allows(e, arguments) for e in ("CREDIT_CARD", "SECRET", "PERSON", "US_SSN")] == [
        False,
        False,
        False,
        True,
    ]
    assert [desk.allows("SECRET", Sink.SHOWN), desk.allows("PERSON", Sink.IMAGE)] == [False, False]
    assert [desk.allows("CREDIT_CARD", arguments), desk.allows("PERSON", Sink.LINK)] == [True, True]
    assert not other.allows("CREDIT_CARD", arguments)


def test_a_policy_that_says_nothing_shows_and_nothing_else() -> None:
    data = yaml.safe_load(POLICY.read_text())
    del data["restore"]
    rules = parse_rules(data, presidio().findable).sinks_for("acme", "")
    assert [sink for sink in Sink if rules.allows("PERSON", sink)] == [Sink.SHOWN]


@pytest.mark.parametrize(
    "restore",
    [
        [],
        {"links": {}},
        {"link": []},
        {"link": {"deny": []}},
        {"link": {"allow": "*"}},
        {"link": {"never": ["NO_SUCH"]}},
        {1: {}},
    ],
)
def test_what_cannot_be_meant_is_refused(restore: object) -> None:
    data = yaml.safe_load(POLICY.read_text())
    with pytest.raises(RulesError):
        parse_rules({**data, "restore": restore}, presidio().findable)
    with pytest.raises(RulesError):
        with_additions({"organisation": "acme", "restore": restore, "link_hosts": ["a.example"]})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("<PERSON>", "Zoe [Q] a|b & <c>\nd"),
        ("| name | <PERSON> |", r"| name | Zoe [Q] a\|b & <c> d |"),
        ("> | <PERSON> |", r"> | Zoe [Q] a\|b & <c> d |"),
        ("a | <PERSON>", "a | Zoe [Q] a|b & <c>\nd"),
        ("[<PERSON>](https://x.example/)", "[Zoe \\[Q\\] a|b & <c>\nd](https://x.example/)"),
        ("[x] <PERSON>", "[x] Zoe [Q] a|b & <c>\nd"),
        (r"\[ <PERSON>", "\\[ Zoe [Q] a|b & <c>\nd"),
        ("&lt;PERSON&gt;", "Zoe [Q] a|b &amp; &lt;c&gt;\nd"),
        ("| <LITERAL> |", "| <us_ssn> a|b\n] |"),
        ("- <US_SSN>: *<US_SSN>*", f"- {SSN}: *{SSN}*"),
    ],
)
def test_a_value_ends_nothing_that_it_stands_in(text: str, filled: str) -> None:
    assert fill(text, VALUES, Filler(outlet())).text == filled
    assert streamed(text, VALUES, random.Random(3), 2, outlet()) == filled


def test_an_image_is_told_from_a_link() -> None:
    book = with_additions({"organisation": "acme", "restore": {"image": {"never": ["*"]}}})
    where = Outlet(shipped().knows, frozenset({"shop.example"}), book.sinks_for("acme", ""))
    values = {Slot("PHONE_NUMBER", 1): "+1 415 555 2671"}
    for text in ("![a](https://shop.example/?<PHONE_NUMBER>)", '<img src="https://shop.example/?<PHONE_NUMBER>">',
                 "![a\nb][c](https://shop.example/?<PHONE_NUMBER>)"):  # fmt: skip
        assert fill(text, values, Filler(where)).text == text
        assert streamed(text, values, random.Random(3), 2, where) == text
    link = "![a](https://x.example/a.png)\n\n[a](https://shop.example/?<PHONE_NUMBER>)"
    assert "%2B1%20415" in fill(link, values, Filler(where)).text
