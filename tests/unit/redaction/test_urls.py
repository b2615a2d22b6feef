"""Web addresses and the words for nationalities and religions; days of the week; what is none of them."""

from __future__ import annotations

import pytest

from tests.unit.redaction.book import found

ADDRESSES = [
    ("see https://intern.corp.local:8443/a?b=c#d.", "https://intern.corp.local:8443/a?b=c#d"),
    ("(http://10.0.0.5/admin)", "http://10.0.0.5/admin"),
    ("https://de.example.org/wiki/Rom_(Stadt), yes", "https://de.example.org/wiki/Rom_(Stadt)"),
    ("www.contoso-widgets.org/about!", "www.contoso-widgets.org/about"),
    ("at shop.fabrikam.co.uk today", "shop.fabrikam.co.uk"),
    ("on www.firma.beispiel now", "www.firma.beispiel"),
    ("docs.rs/serde, please", "docs.rs/serde"),
    ("“bücher.example.de”", "bücher.example.de"),
    ("EXAMPLE.COM is ours", "EXAMPLE.COM"),
    ("https://exa\u200bmple.com/x", "https://exa\u200bmple.com/x"),
]


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_addresses_are_found_whole(text: str, address: str) -> None:
    assert ("URL", address) in found(text, "URL")


@pytest.mark.parametrize(
    "text",
    [
        "edit main.py and README.md", "the end.It began", "version 3.11.2", "e.g. this, i.e. that", "v2.config is old",
        "foo.bar(1)", "obj.items()", "://", "https://", "no dots here", "well...so", "$app.io", "a..b",
    ],
)  # fmt: skip
def test_files_versions_and_code_are_no_addresses(text: str) -> None:
    assert [entity for entity, _ in found(text, "URL")] == []


def test_a_mail_address_stays_one() -> None:
    assert found("mail jane@shop.example.com", "URL") == [("EMAIL_ADDRESS", "jane@shop.example.com")]


def test_groups_are_words_with_a_capital() -> None:
    assert found("Two Germans, a Catholic and a French cook.", "NRP") == [
        ("NRP", "Germans"), ("NRP", "Catholic"), ("NRP", "French"),
    ]  # fmt: skip
    assert found("polish the shoes, swiss roll, turkey, Indiana, Germany, @French", "NRP") == []
    assert found("Two Germans met") == []  # nobody asked


def test_the_day_of_the_week_goes_with_its_date_only() -> None:
    assert found("on Tuesday, 4 June 2024 we met") == [("DATE_TIME", "Tuesday, 4 June 2024")]
    assert found("Fri May 3, 2024") == [("DATE_TIME", "Fri May 3, 2024")]
    assert found("see you on Tuesday") == []


def test_an_age_with_what_follows_it() -> None:
    assert found("my mother turned 80 last week") == [("AGE", "80")]
    assert found("he turned 80 degrees") == []
    assert found("social: 536904399") == [("US_SSN", "536904399")]
