"""A token that was accepted a moment ago: what is spared, and what never is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jwt
import pytest

from services.auth.flows import jwt_memory
from services.auth.flows.authenticate import Kind
from services.auth.flows.jwt_memory import TokenMemory, digest_of
from services.auth.policy import jwt_claims
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.jwt_claims import Asserted
from services.kit import epochs as naming
from services.kit.errors import Unavailable
from tests.unit.auth import issuer
from tests.unit.auth.fakes import ORG, USER, Desk, HandClock
from tests.unit.auth.issuer import RULES, FixedIssuerKeys, claims_at, header, raw


class Verifications:
    """Counts signature checks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        self._real = jwt.decode
        monkeypatch.setattr(jwt, "decode", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.n += 1
        return self._real(*args, **kwargs)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    return Verifications(monkeypatch)


@pytest.fixture
def keys() -> FixedIssuerKeys:
    return FixedIssuerKeys()


@pytest.fixture
def desk(keys: FixedIssuerKeys) -> Desk:
    return Desk([(RULES, keys)])


async def cause(desk: Desk, token: str) -> Cause:
    return (await desk.present(token, Kind.JWT)).cause


def token_at(desk: Desk, **changes: Any) -> str:
    return raw(header(), claims_at(desk.clock.now(), **changes))


async def test_a_second_look_costs_no_signature_but_an_epoch(desk: Desk, checked: Verifications) -> None:
    token = token_at(desk, jti="j1")
    assert [await cause(desk, token) for _ in range(5)] == [Cause.NONE] * 5
    assert checked.n == 1
    assert desk.epochs.reads >= 5


async def revoke(desk: Desk, name: str) -> None:
    caller = (await desk.present(token_at(desk), Kind.JWT)).minted
    assert caller is not None
    await desk.book.rise(caller.caller, name)


def named(jti: str) -> str:
    return naming.token(jwt_claims.token_id(issuer.ISSUER, jti))


@pytest.mark.parametrize("name", ["o", f"u:{USER}", "b:acme-chat", named("j1")])
async def test_a_revocation_is_seen_by_the_very_next_hit(desk: Desk, name: str) -> None:
    token = token_at(desk, jti="j1")
    assert await cause(desk, token) is Cause.NONE
    await revoke(desk, name)
    assert await cause(desk, token) is Cause.EPOCH_OVERTAKEN


async def test_a_revoked_token_takes_no_other_with_it(desk: Desk) -> None:
    one, other, plain = token_at(desk, jti="j1"), token_at(desk, jti="j2"), token_at(desk)
    for name in (named("j1"), naming.ANY_TOKEN):  # however long ago: one token never comes back
        desk.epochs.ledger[ORG, name] = Mark(1, desk.clock.now() - 3600)
    assert [await cause(desk, token) for token in (one, other, plain)] == [
        Cause.EPOCH_OVERTAKEN,
        Cause.NONE,
        Cause.NONE,
    ]


async def test_new_tokens_are_no_question_to_the_ledger_until_one_was_revoked(desk: Desk) -> None:
    assert await cause(desk, token_at(desk, jti="first")) is Cause.NONE
    desk.ledger.away = True  # what the mirror has is enough from here on
    assert [await cause(desk, token_at(desk, jti=f"j{n}")) for n in range(3)] == [Cause.NONE] * 3
    assert not [name for _, name in desk.epochs.mirror if name.startswith("t:") and name != naming.ANY_TOKEN]
    desk.ledger.away = False
    await revoke(desk, named("j1"))
    desk.ledger.away = True
    with pytest.raises(Unavailable):  # now each must be looked for, and is not let in unlooked
        await cause(desk, token_at(desk, jti="j9"))


async def test_that_some_token_was_revoked_is_known_before_which(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round, a revocation that is on record could be overlooked."""
    real, risen = desk.ledger.rise, list[str]()

    async def rise(proof: Any, organisation: str, name: str, keep_until: float | None = None) -> Mark:
        risen.append(name)
        return await real(proof, organisation, name, keep_until)

    monkeypatch.setattr(desk.ledger, "rise", rise)
    await revoke(desk, named("j1"))
    assert risen == [naming.ANY_TOKEN, named("j1")]


async def test_epochs_that_cannot_be_read_refuse_a_remembered_token(desk: Desk) -> None:
    token = token_at(desk)
    assert await cause(desk, token) is Cause.NONE
    desk.epochs.away = True
    with pytest.raises(Unavailable):
        await cause(desk, token)


async def test_a_withdrawn_key_ends_what_it_signed(desk: Desk, keys: FixedIssuerKeys) -> None:
    token = token_at(desk)
    assert await cause(desk, token) is Cause.NONE
    keys.keys, keys.age = {"k2": issuer.OTHER_RSA_KEY.public_key()}, 2
    assert await cause(desk, token) is Cause.JWT_UNKNOWN_KEY


async def test_keys_that_are_too_old_end_it_too(desk: Desk, keys: FixedIssuerKeys) -> None:
    token = token_at(desk)
    assert await cause(desk, token) is Cause.NONE
    keys.away = True
    with pytest.raises(Unavailable):
        await cause(desk, token)


async def test_it_lives_no_longer_than_the_token(desk: Desk, checked: Verifications) -> None:
    token = token_at(desk, exp=int(desk.clock.now()) + 20)
    assert await cause(desk, token) is Cause.NONE
    desk.clock.time += 20
    assert await cause(desk, token) is Cause.NONE  # within the leeway for clocks, but proven anew
    assert checked.n == 2
    desk.clock.time += 31
    assert await cause(desk, token) is Cause.JWT_EXPIRED


async def test_it_lives_no_longer_than_a_minute(desk: Desk, checked: Verifications) -> None:
    token = token_at(desk)
    for step in (0, 59, 2):
        desk.clock.time += step
        assert await cause(desk, token) is Cause.NONE
    assert checked.n == 2


async def test_a_refusal_is_not_remembered(desk: Desk, keys: FixedIssuerKeys) -> None:
    token = token_at(desk)
    keys.keys = {}
    assert await cause(desk, token) is Cause.JWT_UNKNOWN_KEY
    keys.keys = FixedIssuerKeys().keys
    assert await cause(desk, token) is Cause.NONE


async def test_the_age_of_a_sign_in_is_asked_of_every_hit() -> None:
    desk = Desk([(replace(RULES, max_auth_age=50.0), FixedIssuerKeys())])
    token = token_at(desk, auth_time=int(desk.clock.now()) - 40)
    assert await cause(desk, token) is Cause.NONE
    desk.clock.time += 11
    assert await cause(desk, token) is Cause.JWT_AUTH_AGE


def asserted(until: float) -> Asserted:
    now = until - 100
    claims = claims_at(now, exp=int(until))
    found = jwt_claims.decide(claims, RULES, now)
    assert isinstance(found, Asserted)
    return found


def test_the_memory_is_bounded_and_keeps_what_is_used() -> None:
    clock = HandClock()
    memory = TokenMemory(clock, 60.0, most=3)
    for name in "abc":
        memory.put(digest_of(name), asserted(clock.now() + 100), RULES, 1)
    assert memory.get(digest_of("a"))
    memory.put(digest_of("d"), asserted(clock.now() + 100), RULES, 1)
    assert [memory.get(digest_of(name)) is not None for name in "abcd"] == [True, False, True, True]
    assert len(memory) == 3


@pytest.mark.parametrize("step", [-3600.0, -0.5, 60.0, 3600.0])
def test_a_clock_that_jumps_ends_an_entry(step: float) -> None:
    clock = HandClock()
    memory = TokenMemory(clock, 60.0)
    memory.put(digest_of("a"), asserted(clock.now() + 1000), RULES, 1)
    clock.time += step
    assert memory.get(digest_of("a")) is None
    assert len(memory) == 0


def test_nothing_of_a_token_is_kept() -> None:
    token = "header.payload.signature"
    assert token.encode() not in digest_of(token)
    assert len(digest_of(token)) == 32
    assert digest_of("\ud800") != digest_of("?")
    assert "REMEMBERED" in vars(jwt_memory)
