"""Spellings that Presidio's pattern recognizers were measured to miss or mislabel: each is found whole, by name."""

from __future__ import annotations

import pytest

from services.redaction.policy.engines import Re2Engine
from services.redaction.policy.gates import Gates, words_of_gates
from services.redaction.policy.secrets import HEADS
from tests.unit.redaction.book import found, redact, search, shipped

CARD = "4532015112830366"
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

MISSES = [
    ("EMAIL_ADDRESS", "alice@corp.local", "{}"),
    ("EMAIL_ADDRESS", "alice@host.internal", "{}"),
    ("EMAIL_ADDRESS", "j@x.invalid", "{}"),
    ("EMAIL_ADDRESS", "alice@\u200bexample.com", "{}"),
    ("EMAIL_ADDRESS", "ali\u00adce@example.com", "{}"),
    ("CREDIT_CARD", "4532\u00a00151\u00a01283\u00a00366", "{}"),
    ("CREDIT_CARD", "4532\u20110151\u20111283\u20110366", "{}"),
    ("CREDIT_CARD", "4532.0151.1283.0366", "{}"),
    ("CREDIT_CARD", CARD.translate(WIDE), "{}"),
    ("CREDIT_CARD", CARD.translate(ARABIC), "{}"),
    ("CREDIT_CARD", "2221000000000009", "{}"),
    ("CREDIT_CARD", "6304273733980000009", "{}"),
    ("CREDIT_CARD", "4532015112830367", "card {}"),
    ("US_SSN", "219\u201109\u20119999", "SSN {}"),
    ("EMAIL_ADDRESS", "j.chen@support.example.com", "contact={}"),
    ("US_SSN", "078-05-1120", "{}"),
    ("SECRET", "AKIAIOSFODNN7EXAMPLE", "{}"),
    ("SECRET", "sk-ant-api03-R2D2c3po-xyzABC123", "{}"),
    ("SECRET", JWT, "{}"),
    ("PHONE_NUMBER", "(278) 947-3932", "{}"),
    ("US_SSN", "219-09-9999", "{} is my SSN"),
]


@pytest.mark.parametrize(("entity", "value", "around"), MISSES)
def test_caught_whole(entity: str, value: str, around: str) -> None:
    text = around.format(value)
    assert found(text) == [(entity, value)]
    redacted, _ = redact(f"so: {text}, then")
    assert value not in redacted
    assert f"<{entity}>" in redacted


def test_a_version_is_nobodys_licence_by_the_shipped_policy() -> None:
    assert found("v1.2.3.4") == []


def test_a_word_behind_the_value_counts_as_one_before_it() -> None:
    (behind,) = search("219-09-9999 is my SSN").findings
    (before,) = search("my SSN is 219-09-9999").findings
    (alone,) = search("219-09-9999").findings
    assert behind.score == before.score > alone.score


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("use ghp_16C7e42F292c6912E7710c838347Ae178B4a now", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("slack xoxb-123456789012-abcdefABCDEF", "xoxb-123456789012-abcdefABCDEF"),
        ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "AIzaSyA-1234567890abcdefghijklmnopqrstu"),
        ("hbk_live_" + "a1B2" * 12, "hbk_live_" + "a1B2" * 12),
        ("stripe sk_live_abcdef0123456789", "sk_live_abcdef0123456789"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", None),
        ("-----BEGIN PRIVATE KEY-----\nMIIEcut off", None),
        ("Authorization: Bearer abcDEF123456789xyz0", "abcDEF123456789xyz0"),
        ('{"password": "correct horse"}', "correct horse"),
        ("my password is hunter2!", "hunter2"),
        ("Server=x;User Id=sa;Password=P@ss w0rd;", "P@ss w0rd"),
    ],
)
def test_secrets(text: str, secret: str | None) -> None:
    assert ("SECRET", secret or text) in found(text)


@pytest.mark.parametrize(
    "text",
    ["postgres://bob:s3cr3t@db.local/x", "https://bob:s3cr3t@example.com/", "redis://:s3cr3t@cache:6379/0"],
)
def test_credentials_in_an_address_do_not_survive(text: str) -> None:
    redacted, _ = redact(text)
    assert "s3cr3t" not in redacted
    assert "bob" not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "the token is expired; my password is required",
        "Password reset does not work, what is the secret of good tea?",
        "set api_key=${API_KEY} and password: <your password>",
        "key: value, keyboard: mechanical",
        "sk-learn and task-force and risk-averse-strategies",
        "I am 5 minutes late and turn 3 pages",
        "4 people in St Louis",
        "Dr. will see you; Mr. and Mrs.",
    ],
)
def test_words_about_secrets_ages_and_streets_are_none(text: str) -> None:
    assert found(text, "TITLE") == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("I live at 123 Main St, Springfield, IL 62704 and", "123 Main St, Springfield, IL 62704"),
        ("221B Baker Street, London NW1 6XE", "221B Baker Street, London NW1 6XE"),
        ("PO Box 123, Austin, TX 78701", "PO Box 123, Austin, TX 78701"),
        ("Hauptstraße 12, 10115 Berlin", "Hauptstraße 12, 10115 Berlin"),
        ("12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002 Paris"),
        ("742 Evergreen Terrace\nSpringfield, OR 97477", "742 Evergreen Terrace\nSpringfield, OR 97477"),
        ("my zip code is 90210", "90210"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert found(text) == [("STREET_ADDRESS", address)]


def test_ages_titles_and_names_behind_them() -> None:
    assert found("she is 42 years old") == [("AGE", "42")]
    assert found("a 7-year-old, forty-two years old, aged 55, age: 31") == [
        ("AGE", "7"), ("AGE", "forty-two"), ("AGE", "55"), ("AGE", "31")]  # fmt: skip
    assert found("Dear Mr. Smith and Dr Jane van der Roe wrote", "TITLE") == [
        ("TITLE", "Mr."), ("PERSON", "Smith"), ("TITLE", "Dr"), ("PERSON", "Jane van der Roe")]  # fmt: skip


def test_the_gates_say_the_same_without_hyperscan() -> None:
    fast, slow = Gates(words_of_gates(HEADS)), Gates(words_of_gates(HEADS), engine=Re2Engine)
    texts = [around.format(value) for _, value, around in MISSES] + [
        "call Mr. X on 5 May", "", "Hauptstraße 12", "nothing here", "PASSWORD=x; https://a:b@c", "I’m 29.",
    ]  # fmt: skip
    for text in texts:
        assert fast.open_in(text) == slow.open_in(text), text


def test_the_policy_names_every_kind() -> None:
    assert shipped().base.entities >= {"SECRET", "STREET_ADDRESS", "AGE", "PERSON", "LOCATION"}
