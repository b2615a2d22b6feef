"""The scanner at the way out: what hits, what never does, and what becomes of a record that does."""

from __future__ import annotations

import base64
import secrets
import time
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.policy import api_keys, sessions
from services.kit.leaving import Kind, found

SECRET = bytes(range(32))
HITS = [
    ("4532015112830366", Kind.CARD),
    ("card 4111 1111 1111 1111 exp 12/30", Kind.CARD),
    ("user:4111-1111-1111-1111", Kind.CARD),
    ("378282246310005", Kind.CARD),
    ("3782-822463-10005", Kind.CARD),
    ("2223003122003222", Kind.CARD),
    ("ends with 6011111111111117.", Kind.CARD),
    ("my SSN is 123-45-6789.", Kind.US_SSN),
    ("ssn=219 09 9988", Kind.US_SSN),
    ("ada@example.com", Kind.EMAIL),
    ("from:ada.l+x@mail.example.co.uk>", Kind.EMAIL),
    ("zoë@bücher.example", Kind.EMAIL),
    ("to=ada%40example.com", Kind.EMAIL),
    ("GB29NWBK60161331926819", Kind.IBAN),
    ("pay DE89 3704 0044 0532 0130 00 NOW", Kind.IBAN),
    ("+49 30 123456-78", Kind.PHONE),
    ("tel:+14155552671", Kind.PHONE),
    (api_keys.compose("hbk", "test", SECRET), Kind.API_KEY),
    (api_keys.compose("acme", "live", SECRET), Kind.API_KEY),
    (sessions.compose("hbk", "live", SECRET), Kind.API_KEY),
    ("hbi_" + "aB3" * 16 + "x", Kind.API_KEY),
    ("adm_" + "a-_" * 14 + "b", Kind.API_KEY),
    ("Authorization: Bearer abcdefghijklmnopqrstu", Kind.API_KEY),
    ("AKIA" + "Q7" * 8, Kind.API_KEY),
    ("sk-proj-" + "a1B2" * 6, Kind.API_KEY),
    ("ghp_" + "a1" * 18, Kind.API_KEY),
    ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA", Kind.JWT),
    ("x -----BEGIN EC PRIVATE KEY----- y", Kind.PRIVATE_KEY),
    ("postgresql://app:pw@store/db", Kind.URL_PASSWORD),
]
CLEAN = [
    "4532015112830367",  # its check digit is wrong
    "4111111111111111" * 2,
    "GB29NWBK60161331926818",
    "000-12-3456",
    "123-45-67890",
    "+49 30",
    "pkg@1.2.3",
    "a @ b.example",
    "eyJ",
    "hbk_test_",
    "-----BEGIN CERTIFICATE-----",
    "postgresql://store:5432/db",
    "2026-11-21T10:36:49.123456+00:00",
    "20261121103649",
    "1763721409.123456",
    "1763721409000-0",
    "spiffe://hauberk.local/backend/shop",
    "hauberk.auth.v1.AuthService/Authenticate",
    "http://127.0.0.1:4317",
    "2001:db8:1234:5678:9abc:def0:1234:5678",
    "203.0.113.254",
    "131.0.6778.108",
    "v1.2.3-rc.4+build.20261121",
    "0.4111111111111111",
    "sha256:" + "4111" * 16,
]


@pytest.mark.parametrize(("text", "kind"), HITS)
def test_it_is_seen_alone_and_among_other_words(text: str, kind: Kind) -> None:
    assert found(text) is kind
    assert found(f"event\n{text}\nreason") is kind
    assert found(f"said '{text}', then") is kind


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert found(text) is None


BITS = st.binary(min_size=32, max_size=32)


@settings(max_examples=200, deadline=None)
@given(BITS, st.integers(min_value=1_000_000_000, max_value=1_999_999_999), st.integers(0, 10**8 - 1))
def test_no_id_of_ours_ever_hits(bits: bytes, second: int, number: int) -> None:
    digits = "".join(str(byte % 10) for byte in bits)  # an id that happens to be made of digits alone
    unique = uuid.UUID(bytes=bits[:16], version=4)
    base62 = api_keys.base62(int.from_bytes(bits[:16], "big"), api_keys.ID_LENGTH)
    ids = [
        *(bits[:size].hex() for size in (6, 16, 20, 32)),
        *(digits[:size] for size in (12, 20, 22, 32)),
        *(f"{prefix}_{tail}" for prefix in ("hold", "run", "w", "apr", "inc", "msg") for tail in (digits[:16], digits)),
        f"{digits[:16]}/audit/incident_opened/{digits[:12]}",
        f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}",
        str(unique),
        unique.hex,
        api_keys.key_id(bits),
        f"ses_{base62}",
        f"key_{digits[:22]}",
        f"00-{digits}-{digits[:16]}-01",
        *(str(second * unit + number % unit) for unit in (1, 1000, 10**6, 10**9)),
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)),
        time.strftime("%Y%m%d%H%M%S", time.gmtime(second)),
        f"{number / 7!r}",
        f"v{number % 100}.{number % 77}.{number % 9999}",
        f"spiffe://hauberk.local/backend/shop-{number}",
        f"req-{number}",
        base64.b32encode(bits[:10]).decode().lower(),
    ]
    assert [text for text in ids if found(text)] == []
    assert found("\n".join(ids)) is None


@pytest.mark.parametrize(
    "part",
    ["1", "1 ", "1-1", "@", "a@", "a@b.", "+1", "A", "AA11", "AA11 ", "eyJ", "eyJa.", "a://", "x://:", "-----BEGIN ",
     "sk-", "hbk_test_", "4111 ", "Bearer "],
)  # fmt: skip
def test_the_time_is_linear_in_the_length(part: str) -> None:
    short, long = part * (2_000 // len(part)), part * (16_000 // len(part))

    def spent(text: str) -> float:
        best = 1.0
        for _ in range(3):
            began = time.process_time()
            found(text)
            best = min(best, time.process_time() - began)
        return best

    assert spent(long) < 40 * spent(short) + 0.005  # 8 times as long; 64 times would be its square


def test_random_bytes_as_tokens_of_ours_are_seen_whatever_they_are() -> None:
    for _ in range(50):
        assert found(api_keys.compose("hbk", "live", secrets.token_bytes(32))) is Kind.API_KEY
