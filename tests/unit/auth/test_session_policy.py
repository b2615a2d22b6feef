"""Sessions, the pure part: for whatever is asked and whenever, no session is better than what it stands on."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.policy import api_keys, sessions
from services.auth.policy.addresses import network
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.sessions import SessionLimits, SessionRecord
from services.kit.caller import Caller, Epochs

NOW = 1_800_000_000.0
OWN = sessions.session_id(b"\1" * 16)
KEY = "key_" + "0" * 22
CALLER = Caller("acme", "ada", "shop", "t", "backend/shop", "", int(NOW) + 60, credential_id=KEY)
EPOCHS = {"o": 1, "u:ada": 2, "b:shop": 0, f"k:{KEY}": 3, f"s:{OWN}": 0}
MARKS = {name: Mark(epoch, NOW - 50 if epoch else 0.0) for name, epoch in EPOCHS.items()}
RECORD = SessionRecord(
    session_id=OWN,
    organisation="acme",
    subject="ada",
    brand="shop",
    scopes=frozenset({"chat"}),
    credential_id=KEY,
    epochs=EPOCHS,
    created_at=NOW - 100,
    expires_at=NOW + 100,
    last_seen_at=NOW - 10,
    idle_seconds=1800,
)
LIMITS = SessionLimits(86_400, 1800, 5)
moments = st.floats(NOW - 1e6, NOW + 1e6)


@given(st.binary(min_size=32, max_size=32))
def test_a_session_is_recognised_and_never_taken_for_an_api_key(secret: bytes) -> None:
    text = sessions.compose("hbk", "test", secret)
    assert sessions.inspect(text, "hbk", "test") is Cause.NONE
    assert sessions.inspect(text, "hbk", "live") is Cause.SESSION_WRONG_ENVIRONMENT
    assert api_keys.inspect(text, "hbk", "test") is not Cause.NONE
    key = api_keys.compose("hbk", "test", secret)
    assert sessions.inspect(key, "hbk", "test") is Cause.SESSION_MALFORMED
    assert key not in text


@given(st.data())
def test_one_wrong_character_costs_no_lookup(data: st.DataObject) -> None:
    text = sessions.compose("hbk", "test", secrets.token_bytes(32))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([c for c in api_keys.ALPHABET + "_-. \0é" if c != text[place]]))
    assert sessions.inspect(text[:place] + other + text[place + 1 :], "hbk", "test") is not Cause.NONE


@given(st.text(max_size=80))
def test_no_other_text_is_a_session(text: str) -> None:
    assert sessions.inspect(text, "hbk", "test") is not Cause.NONE
    assert sessions.inspect(OWN, "hbk", "test") is Cause.SESSION_MALFORMED


@given(moments, moments, moments, st.none() | moments, st.none() | moments)
def test_accepted_means_within_every_limit(
    now: float, expires_at: float, seen: float, key_ends_at: float | None, revoked_at: float | None
) -> None:
    record = replace(RECORD, expires_at=expires_at, last_seen_at=seen, key_ends_at=key_ends_at, revoked_at=revoked_at)
    within = (
        now < expires_at and now < seen + 1800 and revoked_at is None and (key_ends_at is None or now < key_ends_at)
    )
    assert (sessions.decide(record, MARKS, now) is Cause.NONE) is within


@given(st.sampled_from(sorted(EPOCHS)), st.integers(-3, 3).filter(bool))
def test_any_other_epoch_than_at_the_opening_ends_it(name: str, change: int) -> None:
    marks = {**MARKS, name: Mark(EPOCHS[name] + change, NOW)}
    assert sessions.decide(RECORD, marks, NOW) is Cause.EPOCH_OVERTAKEN


def test_an_epoch_that_was_not_read_is_never_taken_for_zero() -> None:
    for name in EPOCHS:
        with pytest.raises(KeyError):
            sessions.decide(RECORD, {other: mark for other, mark in MARKS.items() if other != name}, NOW)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, Cause.NONE),
        ({"rotated_to": OWN, "revoked_at": NOW}, Cause.SESSION_ROTATED),
        ({"revoked_at": NOW}, Cause.SESSION_REVOKED),
        ({"expires_at": NOW}, Cause.SESSION_EXPIRED),
        ({"last_seen_at": NOW - 1800}, Cause.SESSION_IDLE),
        ({"last_seen_at": NOW - 1799.9}, Cause.NONE),
        ({"key_ends_at": NOW}, Cause.SESSION_CREDENTIAL_ENDED),
    ],
)
def test_each_end_has_its_cause(change: dict[str, object], cause: Cause) -> None:
    assert sessions.decide(replace(RECORD, **change), MARKS, NOW) is cause  # type: ignore[arg-type]
    assert sessions.decide(None, {}, NOW) is Cause.SESSION_UNKNOWN


ends = st.none() | st.integers(int(NOW) - 1000, int(NOW) + 200_000)


@given(st.integers(60, 200_000), st.none() | st.integers(60, 2_592_000), ends, ends, st.booleans(), st.booleans())
def test_no_session_ends_after_plan_wish_key_or_token(
    life: int, asked: int | None, key_ends_at: int | None, token_ends_at: int | None, by_key: bool, outlive: bool
) -> None:
    caller = replace(CALLER, credential_id=KEY if by_key else "jwt_x", credential_ends_at=token_ends_at or 0)
    limits = SessionLimits(life, 60, 5, outlive)
    end = sessions.end_of(caller, limits, asked, key_ends_at, NOW)
    if end is None:
        ended = key_ends_at is not None and key_ends_at <= NOW
        unknown = not by_key and not outlive and (token_ends_at or 0) <= NOW
        assert ended or unknown
        return
    assert NOW < end <= NOW + life
    assert asked is None or end <= NOW + asked
    assert key_ends_at is None or end <= key_ends_at
    if not by_key and not outlive:
        assert token_ends_at is not None
        assert end <= token_ends_at


@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({}, True),
        ({"credential_id": "jwt_0"}, True),
        ({"credential_id": "ctx_0"}, False),
        ({"credential_id": ""}, False),
        ({"credential_id": "operator"}, False),
        ({"session_id": OWN}, False),
        ({"credential_id": "jwt_0", "session_id": OWN}, False),
        ({"actor": "spiffe://x/backend"}, False),
    ],
)
def test_only_a_first_credential_opens_a_session(change: dict[str, str], may: bool) -> None:
    assert sessions.may_open(replace(CALLER, **change)) is may  # type: ignore[arg-type]


role_sets = st.frozensets(st.sampled_from(["member", "admin", "analyst", "owner"]))


@given(role_sets, role_sets)
def test_a_gain_must_rotate_and_a_loss_need_not(remembered: frozenset[str], now: frozenset[str]) -> None:
    assert sessions.must_rotate(remembered, now) is bool(now - remembered)
    assert not sessions.must_rotate(None, now)
    assert not sessions.must_rotate(remembered | now, now)


def test_it_stands_on_what_its_opener_stands_on_and_on_itself() -> None:
    caller = replace(CALLER, token_id="x" * 22, epochs=Epochs(2, 1, 0, 3, 0, 0))
    assert sessions.stands_on(caller, OWN) == {**EPOCHS, "t:" + "x" * 22: 0}
    new = sessions.session_id(b"\2" * 16)
    successor = sessions.successor_stands_on(RECORD, new)
    assert {n: e for n, e in successor.items() if n != f"s:{new}"} == {
        n: e for n, e in EPOCHS.items() if n != f"s:{OWN}"
    }
    assert successor[f"s:{new}"] == 0


@pytest.mark.parametrize(
    ("address", "brand", "cause"),
    [
        ("192.0.2.1", "", Cause.NONE),
        ("::ffff:192.0.2.1", "shop", Cause.NONE),
        ("192.0.2.1", "other", Cause.SESSION_WRONG_BRAND),
        ("192.0.3.1", "shop", Cause.SESSION_ADDRESS),
        ("", "shop", Cause.SESSION_ADDRESS),
        ("nonsense", "", Cause.SESSION_ADDRESS),
    ],
)
def test_place(address: str, brand: str, cause: Cause) -> None:
    allowed = network("192.0.2.0/24")
    assert allowed is not None
    assert sessions.decide_place(replace(RECORD, addresses=(allowed,)), address, brand) is cause


@given(st.integers(60, 30 * 86_400))
def test_the_store_is_behind_by_a_tenth_of_the_limit_and_a_minute_at_most(idle_seconds: int) -> None:
    assert 0 < sessions.touch_after(idle_seconds) <= min(60, idle_seconds / 10)
