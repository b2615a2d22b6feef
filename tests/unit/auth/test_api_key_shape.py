"""The shape of API keys, and the decision over a kept one."""

from __future__ import annotations

import secrets
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.policy import api_keys
from services.auth.policy.api_keys import ALPHABET, KeyRecord, compose, decide, inspect
from services.auth.policy.causes import Cause

NOW = 1_800_000_000.0
LIVE = KeyRecord("key_" + "A" * 22, "acme", "ada", "", frozenset({"chat"}), "wxyz", NOW - 10)


@given(st.binary(min_size=32, max_size=32))
def test_what_we_make_has_our_shape(secret: bytes) -> None:
    text = compose("hbk", "live", secret)
    assert len(text) == len("hbk_live_") + 43 + 6
    assert inspect(text, "hbk", "live") is Cause.NONE


@given(st.binary(min_size=32, max_size=32), st.integers(min_value=9, max_value=57), st.sampled_from(ALPHABET))
def test_one_changed_character_is_always_noticed(secret: bytes, place: int, character: str) -> None:
    text = compose("hbk", "live", secret)
    changed = text[:place] + character + text[place + 1 :]
    assert (inspect(changed, "hbk", "live") is Cause.NONE) == (changed == text)


@given(st.binary(min_size=32, max_size=32), st.integers(min_value=9, max_value=56))
def test_two_swapped_characters_are_always_noticed(secret: bytes, place: int) -> None:
    text = compose("hbk", "live", secret)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (inspect(swapped, "hbk", "live") is Cause.NONE) == (swapped == text)


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_noise_is_refused_and_never_raises(text: str) -> None:
    assert inspect(text, "hbk", "live") is not Cause.NONE
    assert inspect("hbk_live_" + text, "hbk", "live") is not Cause.NONE


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda key: key.replace("_live_", "_test_"), Cause.KEY_WRONG_ENVIRONMENT),
        (lambda key: key.replace("hbk_", "sk_"), Cause.KEY_MALFORMED),
        (lambda key: key[:-1], Cause.KEY_MALFORMED),
        (lambda key: key + "0", Cause.KEY_MALFORMED),
        (lambda key: key + "\n", Cause.KEY_MALFORMED),
        (lambda key: " " + key, Cause.KEY_MALFORMED),
        (lambda key: key[:20] + "é" + key[21:], Cause.KEY_MALFORMED),
        (lambda key: key[:20] + "٣" + key[21:], Cause.KEY_MALFORMED),
        (lambda key: key[:-6] + "000000", Cause.KEY_CHECKSUM),
        (lambda _: "", Cause.KEY_MALFORMED),
        (lambda _: "hbk_live_", Cause.KEY_MALFORMED),
    ],
)
def test_broken_shapes(change: object, cause: Cause) -> None:
    key = compose("hbk", "live", b"\1" * 32)
    assert callable(change)
    assert inspect(change(key), "hbk", "live") is cause


def test_a_bad_checksum_costs_little() -> None:
    bad = compose("hbk", "live", secrets.token_bytes(32))[:-6] + "000000"
    best = min(timeit.repeat(lambda: inspect(bad, "hbk", "live"), number=200, repeat=5)) / 200
    assert best < 50e-6  # ten microseconds on a quiet machine; the bound only catches a lookup or a slow hash


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"revoked_at": NOW - 1}, Cause.KEY_REVOKED),
        ({"revoked_at": NOW + 1}, Cause.KEY_REVOKED),
        ({"expires_at": NOW}, Cause.KEY_EXPIRED),
        ({"expires_at": NOW - 1}, Cause.KEY_EXPIRED),
        ({"rotated_to": "key_x", "grace_until": NOW}, Cause.KEY_GRACE_ENDED),
        ({"rotated_to": "key_x", "grace_until": None}, Cause.KEY_GRACE_ENDED),
        ({"rotated_to": "key_x", "grace_until": NOW + 9, "expires_at": NOW - 1}, Cause.KEY_EXPIRED),
        ({"rotated_to": "key_x", "grace_until": NOW + 9, "revoked_at": NOW - 1}, Cause.KEY_REVOKED),
        ({"rotated_to": "key_x", "grace_until": NOW + 9}, Cause.NONE),
        ({"expires_at": NOW + 0.1}, Cause.NONE),
    ],
)
def test_decision_over_a_kept_key(fields: dict[str, object], cause: Cause) -> None:
    record = KeyRecord(**{name: getattr(LIVE, name) for name in LIVE.__slots__} | fields)
    assert decide(record, NOW) is cause


def test_no_record_is_a_refusal() -> None:
    assert decide(None, NOW) is Cause.KEY_UNKNOWN


def test_grace_never_outlives_the_key() -> None:
    ending = KeyRecord("key_x", "acme", "ada", "", frozenset(), "wxyz", NOW, expires_at=NOW + 60)
    assert api_keys.grace_end(ending, NOW, 86_400) == NOW + 60
    assert api_keys.grace_end(LIVE, NOW, 86_400) == NOW + 86_400


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_needs_all_its_randomness(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        compose("hbk", "live", b"x" * length)
