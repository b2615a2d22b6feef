"""What is found, in which spellings, and what is left alone."""

from __future__ import annotations

import time

import pytest

from tests.unit.redaction.book import found, redact, search

CARD = "4532015112830366"
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def test_the_sentence_that_presidio_misses() -> None:
    text, _ = redact("My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010")
    assert text == "My SSN is <US_SSN> and credit card is <CREDIT_CARD>"


@pytest.mark.parametrize(
    ("entity", "value"),
    [
        ("EMAIL_ADDRESS", "alice@corp.local"),
        ("EMAIL_ADDRESS", "alice@host.internal"),
        ("EMAIL_ADDRESS", "j@x.invalid"),
        ("EMAIL_ADDRESS", "alice@\u200bexample.com"),
        ("EMAIL_ADDRESS", "ali\u00adce@example.com"),
        ("EMAIL_ADDRESS", "jose\u0301@example.com"),
        ("EMAIL_ADDRESS", "alice＠example.com"),
        ("EMAIL_ADDRESS", "user@xn--80ak6aa92e.com"),
        ("EMAIL_ADDRESS", '"john doe"@example.com'),
        ("CREDIT_CARD", "4532\u00a00151\u00a01283\u00a00366"),
        ("CREDIT_CARD", "4532\u20110151\u20111283\u20110366"),
        ("CREDIT_CARD", "4532.0151.1283.0366"),
        ("CREDIT_CARD", CARD),
        ("CREDIT_CARD", CARD.translate(WIDE)),
        ("CREDIT_CARD", CARD.translate(ARABIC)),
        ("CREDIT_CARD", "2221000000000009"),
        ("CREDIT_CARD", "6304273733980000009"),
        ("CREDIT_CARD", "3782 822463 10005"),
        ("US_SSN", "219\u201109\u20119999"),
        ("US_SSN", "078-05-1120"),
        ("US_SSN", "219 09 9999"),
        ("US_SSN", "219\u200b-09-9999"),
        ("PHONE_NUMBER", "(278) 947-3932"),
        ("PHONE_NUMBER", "+44 20 7946 0958"),
        ("PHONE_NUMBER", "+49 (0)30 1234567"),
        ("PHONE_NUMBER", "001-202-555-0143x123"),
        ("PHONE_NUMBER", "01 23 45 67 89"),
        ("PHONE_NUMBER", "(11) 91234-5678"),
        ("PHONE_NUMBER", "415.555.2671"),
        ("DATE_TIME", "2024-01-15T10:23:45Z"),
        ("DATE_TIME", "03/15/2001"),
        ("DATE_TIME", "15.01.2024"),
        ("DATE_TIME", "15-JAN-2024"),
        ("DATE_TIME", "January 5, 2024"),
        ("DATE_TIME", "5th of May 2023"),
        ("DATE_TIME", "Dec 2023"),
    ],
)
def test_found_whole_wherever_it_stands(entity: str, value: str) -> None:
    for text in (value, f"x {value} y", f"({value})", f"a, {value}, b", f"is {value}.", f"\n{value}\n"):
        assert (entity, value) in found(text), text


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        ("CREDIT_CARD", "my card: 4532123456789011", "4532123456789011"),
        ("CREDIT_CARD", "4532123456789011 is my visa", "4532123456789011"),
        ("US_SSN", "ssn 123456789", "123456789"),
        ("US_SSN", "123456789 is my social security number", "123456789"),
        ("US_SSN", "ss# 12345-6789", "12345-6789"),
        ("PHONE_NUMBER", "call me at 555-1234", "555-1234"),
        ("PHONE_NUMBER", "EB 3889 713-853-3989 (Phone)", "713-853-3989"),
        ("PHONE_NUMBER", "(978-376-9004)", "978-376-9004"),
        ("DATE_TIME", "card exp 09/27", "09/27"),
        ("EMAIL_ADDRESS", "email root@db1", "root@db1"),
        ("EMAIL_ADDRESS", "contact=j.chen@support.example.com", "j.chen@support.example.com"),
        ("EMAIL_ADDRESS", "mailto:a.b+c@example.com?subject=x", "a.b+c@example.com"),
    ],
)
def test_a_word_near_decides_on_either_side(entity: str, text: str, value: str) -> None:
    assert (entity, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, how do I reset my password?",
        "v1.2.3.4",
        "Python 3.11.12",
        "550e8400-e29b-41d4-a716-446655440000",
        "10.0.0.1 and 192.168.10.24",
        "1700000000 and 1700000000123",
        "order 4155552671",
        "@alice and user@host",
        "may 5 people come, 9/10 would do it again",
        "in 2024 we sold 12,345,678 units at 3.50",
        "0x4532015112830366ab",
    ],
)
def test_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_postal_code_is_no_telephone() -> None:
    assert found("ZIP 12345-6789") == [("STREET_ADDRESS", "12345-6789")]
    assert found("phone me in Houston, TX 77042-2016") == [("STREET_ADDRESS", "Houston, TX 77042-2016")]


def test_further_entities_by_presidio_with_context_on_both_sides() -> None:
    assert found("IBAN DE89370400440532013000", "IBAN_CODE") == [("IBAN_CODE", "DE89370400440532013000")]
    assert ("IP_ADDRESS", "10.1.2.3") in found("from 10.1.2.3 on", "IP_ADDRESS")
    assert ("US_PASSPORT", "912803456") in found("912803456 is my passport", "US_PASSPORT")
    assert found("912803456", "US_PASSPORT") == []


def test_offsets_are_of_the_text_as_given() -> None:
    text = "\u200b😀 מייל: ali\u00adce@example.com\u0301 ok"
    (finding,) = search(text).findings
    assert text[finding.start : finding.end] == "ali\u00adce@example.com\u0301"


def test_no_text_is_slow() -> None:
    """Texts made to be slow: quadratic work on 100 kB would take minutes."""
    pieces = [
        "1", "1-", "a@", "12 345 ", "01 ", "(1", "<A", "4532 1234 ", "Jan ", "+1 ", "a.b-c@", "1/", '"@', "é1",
        "sk-", "key: ", "password=", "://a:", "eyJa.", "-----BEGIN PRIVATE KEY-----", "1 A ", "1 North ", "Mr A ",
        "AKIA", "1 A B St, A ", "Av. A ", "1 rue de la ", "age 1 ", "twenty one year old", "token=\""]  # fmt: skip
    for piece in pieces:
        text = (piece * 100_000)[:100_000]
        started = time.perf_counter()
        search(text)
        assert time.perf_counter() - started < 3.0, piece
