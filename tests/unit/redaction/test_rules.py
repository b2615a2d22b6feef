"""Policy data is checked, overlaps are joined, offsets and access are what they say."""

from __future__ import annotations

from typing import Any

import pytest

from services.redaction.policy.access import may_restore
from services.redaction.policy.model import Finding, Rules, RulesError
from services.redaction.policy.offsets import OffsetUnit, convert
from services.redaction.policy.resolve import resolve
from services.redaction.policy.rules import parse_rules
from tests.unit.redaction.book import shipped


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"entities": []},
        {"entities": ["US_SSN"], "typo": 1},
        {"entities": ["us_ssn"]},
        {"entities": ["US_SSN_2"]},
        {"entities": ["NO_SUCH_THING"]},
        {"entities": ["US_SSN"], "threshold": 2},
        {"entities": ["US_SSN"], "threshold": True},
        {"entities": ["US_SSN"], "additions": [{"brand": "x", "entities": ["US_SSN"]}]},
        {"entities": ["US_SSN"], "additions": [{"organisation": "x", "entities": ["US_SSN"], "more": 1}]},
        {"entities": ["US_SSN"], "additions": [{"organisation": "x"}]},
        {"entities": ["US_SSN"], "link_hosts": "shop.example"},
        {"entities": ["US_SSN"], "link_hosts": [1]},
        {"entities": ["US_SSN"], "link_hosts": ["localhost"]},
        {"entities": ["US_SSN"], "link_hosts": ["*.shop.example"]},
        {"entities": ["US_SSN"], "link_hosts": ["Shop.example"]},
        {"entities": ["US_SSN"], "link_hosts": ["shop.example:8080"]},
        {"entities": ["US_SSN"], "link_hosts": ["https://shop.example"]},
        {"entities": ["US_SSN"], "additions": [{"organisation": "x", "link_hosts": ["shop.example/a"]}]},
    ],
)
def test_wrong_policy_data_is_refused(data: Any) -> None:
    with pytest.raises(RulesError):
        parse_rules(data)


def test_names_and_places_are_reported_as_not_searched() -> None:
    rules = shipped().rules_for("acme", "")
    assert shipped().not_searched(rules) == ("LOCATION", "PERSON")


def test_additions_reach_only_their_organisation_and_brand() -> None:
    book = parse_rules(
        {
            "entities": ["US_SSN"],
            "additions": [
                {"organisation": "acme", "entities": ["IBAN_CODE"]},
                {"organisation": "acme", "brand": "health", "entities": ["US_MBI"]},
            ],
        },
        frozenset({"IBAN_CODE", "US_MBI"}),
    )
    assert book.rules_for("other", "health").entities == {"US_SSN"}
    assert book.rules_for("acme", "shop").entities == {"US_SSN", "IBAN_CODE"}
    assert book.rules_for("acme", "health").entities == {"US_SSN", "IBAN_CODE", "US_MBI"}


def test_link_hosts_reach_only_their_organisation_and_brand() -> None:
    book = parse_rules(
        {
            "entities": ["US_SSN"],
            "link_hosts": ["all.example"],
            "additions": [
                {"organisation": "acme", "link_hosts": ["acme.example"]},
                {"organisation": "acme", "brand": "health", "entities": ["US_SSN"], "link_hosts": ["h.acme.example"]},
            ],
        },
    )
    assert book.link_hosts_for("other", "health") == {"all.example"}
    assert book.link_hosts_for("acme", "shop") == {"all.example", "acme.example"}
    assert book.link_hosts_for("acme", "health") == {"all.example", "acme.example", "h.acme.example"}
    assert shipped().link_hosts_for("acme", "shop") == frozenset()


def test_the_version_follows_the_data() -> None:
    versions = {parse_rules({"entities": ["US_SSN"], "threshold": t}).version for t in (0.4, 0.5)}
    assert len(versions) == 2


def test_overlaps_are_covered_whole_and_named_by_the_surest() -> None:
    rules = Rules(frozenset(), priority=("A", "B"))
    joined = resolve(
        [Finding("A", 0, 5, 0.9), Finding("B", 3, 9, 0.5, validated=True), Finding("A", 9, 10, 0.4)], rules
    )
    assert [(f.entity, f.start, f.end) for f in joined] == [("B", 0, 9), ("A", 9, 10)]
    tie = resolve([Finding("B", 0, 4, 0.5), Finding("A", 1, 5, 0.5)], rules)
    assert [(f.entity, f.start, f.end) for f in tie] == [("A", 0, 5)]


def test_offsets_in_other_units() -> None:
    text = "é😀x"
    assert convert(text, [0, 1, 2, 3], OffsetUnit.UTF8_BYTE) == [0, 2, 6, 7]
    assert convert(text, [0, 1, 2, 3], OffsetUnit.UTF16) == [0, 1, 3, 4]
    assert convert(text, [1, 2], OffsetUnit.CODE_POINT) == [1, 2]


def test_only_the_gateway_or_the_redactor_may_restore() -> None:
    assert may_restore("gateway", "backend/shop")
    assert may_restore("backend/shop", "backend/shop")
    assert not may_restore("backend/blog", "backend/shop")
    assert not may_restore("backend/shop", "gateway")
    assert not may_restore("", "")
    assert not may_restore("gateway/x", "backend/shop")
