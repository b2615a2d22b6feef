"""The bytes that are hashed: one form, read back exactly, and every change noticed."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.catalogue import catalogue
from services.audit.policy import NotCanonicalError, Record, decode, encode
from services.audit.policy.rules import broken

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
RECORDS = st.builds(
    Record,
    **{name: TEXT for name in Record.__dataclass_fields__ if name not in {"at_us", "facts", "sealed"}},
    at_us=st.integers(0, 4_000_000_000_000_000),
    facts=st.dictionaries(TEXT, TEXT, max_size=5).map(lambda found: tuple(sorted(found.items()))),
    sealed=st.none() | st.dictionaries(TEXT, TEXT, max_size=3).map(lambda found: tuple(sorted(found.items()))),
)
PLAIN = Record("t1/auth/Authenticate/1", "decision", "auth.authenticate", 1_800_000_000_123_456, "DENY", "NONE")


@given(RECORDS)
def test_what_is_written_is_read_back(record: Record) -> None:
    assert decode(encode(record)) == record


@given(RECORDS, st.randoms())
def test_the_same_event_gives_the_same_bytes(record: Record, random: object) -> None:
    body = json.loads(encode(record))
    again = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert again == encode(replace(record))


def test_the_form_is_fixed() -> None:
    """Chains live for years: these very bytes must come out for ever."""
    record = replace(PLAIN, organisation="acme", service="auth", facts=(("status", "OK"), ("workload", "backend/shop")))
    assert encode(record) == (
        b'{"actor":"","at":"2027-01-15T08:00:00.123456Z","brand":"","challenge":"","class":"decision",'
        b'"client_address":"","code":"auth.authenticate","event_id":"t1/auth/Authenticate/1",'
        b'"facts":{"status":"OK","workload":"backend/shop"},"mfa":"","organisation":"acme","outcome":"DENY",'
        b'"reason":"NONE","service":"auth","trace_id":"","txn":"","user_agent":""}'
    )


@pytest.mark.parametrize("name", [each.name for each in fields(Record)])
def test_every_field_is_in_the_bytes(name: str) -> None:
    other: object = {"at_us": 1, "facts": (("a", "b"),), "sealed": ()}.get(name, "other")
    assert encode(replace(PLAIN, **{name: other})) != encode(PLAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        encode(PLAIN) + b" ",
        encode(PLAIN).replace(b'"mfa"', b'"mfb"'),
        encode(PLAIN).replace(b":{}", b":[]"),
        encode(PLAIN).replace(b"2027-", b"year-"),
        encode(PLAIN).replace(b'"txn":""', b'"txn":0'),
        encode(PLAIN).replace(b'"txn":"","user_agent":""', b'"user_agent":"","txn":""'),
    ],
)
def test_other_bytes_are_refused(bad: bytes) -> None:
    with pytest.raises(NotCanonicalError):
        decode(bad)


def test_an_event_holds_identifiers_only() -> None:
    good = replace(PLAIN, service="auth", actor="ada", facts=(("key", "key_0123456789abcdefghij"), ("n", "17")))
    assert not list(broken(good, "auth", catalogue()))
    for changed, field in (
        ({"facts": (("note", "call me at noon"),)}, "facts"),
        ({"facts": (("mail", "ada@example.com"),)}, "facts"),
        ({"facts": (("card", "4111111111111111"),)}, "facts"),
        ({"facts": (("ssn", "123-45-6789"),)}, "facts"),
        ({"facts": (("token", "eyJhbGciOiJFUzI1NiJ9.e30.x"),)}, "facts"),
        ({"facts": (("A name", "x"),)}, "facts"),
        ({"actor": "Ada Lovelace"}, "actor"),
        ({"client_address": "over there"}, "client_address"),
        ({"user_agent": "a\nb"}, "user_agent"),
        ({"service": "tenancy"}, "service"),
        ({"event_id": "t1/tenancy/Authorize/1"}, "event_id"),
        ({"event_id": "t1"}, "event_id"),
        ({"at_us": 0}, "at"),
        ({"code": "auth.unheard_of"}, "code"),
        ({"kind": "critical"}, "class"),
        ({"kind": "debug"}, "class"),
    ):
        assert [name for name, _ in broken(replace(good, **changed), "auth", catalogue())] == [field]
