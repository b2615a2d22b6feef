"""Issue, redeem, revoke over ports in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest

from services.context_token.adapters.signing import KeySigner
from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.ports import Place, Sealed
from services.kit.errors import NotFound, Unavailable
from services.kit.keys import KeyMissingError, VersionedSecret
from services.kit.provision import rsa_key, signing_key
from tests.unit.context_token.fakes import (
    BODY,
    ORG,
    SOURCE,
    TARGET,
    USER,
    Desk,
    Keys,
    altered,
    audience_of,
    caller_of,
    parts_of,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_token_says_exactly_this(desk: Desk) -> None:
    header, claims = parts_of(await desk.token(seconds=60, single_use=True))
    assert header == {"alg": "RS256", "typ": "ctx+jwt", "kid": "ctx-1"}
    assert len(claims.pop("jti")) == 22
    assert len(claims.pop("ctx")) == 43
    assert len(claims.pop("ctx_h")) == 64
    now = int(desk.clock.now())
    assert claims == {
        "iss": "https://context.hauberk.local",
        "aud": "https://billing.acme.brands.hauberk.local",
        "tenant": ORG,
        "sub": USER,
        "brand": SOURCE,
        "scope": "chat",
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "txn": "txn-1",
        "req_wl": "backend/shop",
        "ep": {"u": 3, "o": 1, "b": 2, "k": 4},
        "su": True,
        "cid": "key_" + "0" * 22,
    }


async def test_the_public_keys_verify_it_elsewhere(desk: Desk) -> None:
    token = await desk.token()
    (key,) = json.loads(desk.signer.jwks())["keys"]
    assert key["alg"] == "RS256"
    assert "d" not in key
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(key).key, ["RS256"], audience=audience_of(TARGET), options=options)  # type: ignore[arg-type]
    assert claims["sub"] == USER


async def test_it_is_redeemed_for_its_brand(desk: Desk) -> None:
    token = await desk.token()
    for brand in (TARGET, ""):
        found = await desk.redeem(token, brand)
        assert (found.cause, found.brand, found.body) == (Cause.NONE, TARGET, BODY)
        assert found.grant is not None
        assert found.grant.scopes == {"chat"}


@pytest.mark.parametrize(
    ("target", "caller", "cause"),
    [
        (SOURCE, {}, IssueCause.OWN_BRAND),
        (TARGET, {"credential_id": "ctx_" + "0" * 22}, IssueCause.HANDED_OVER),
        (TARGET, {"brand": ""}, IssueCause.NOT_PERMITTED),
        ("globex-shop", {}, IssueCause.NOT_PERMITTED),
    ],
)
async def test_not_issued(desk: Desk, target: str, caller: dict[str, Any], cause: IssueCause) -> None:
    issued = await desk.issue(target, **caller)
    assert (issued.cause, issued.token) == (cause, "")
    assert not desk.bodies.kept


async def test_permission_is_asked_with_the_callers_own_token(desk: Desk) -> None:
    await desk.token()
    assert desk.brands.tokens == ["txn-token"]
    desk.brands.suspended = True
    assert (await desk.issue()).cause is IssueCause.ORGANISATION_SUSPENDED


@pytest.mark.parametrize(("seconds", "life"), [(None, 900), (1, 1), (899.2, 900), (5000, 900)])
async def test_it_lives_as_long_as_asked_and_never_longer(desk: Desk, seconds: float | None, life: int) -> None:
    _, claims = parts_of(await desk.token(seconds=seconds))
    assert claims["exp"] - claims["iat"] == life


async def test_scopes_never_widen(desk: Desk) -> None:
    for own, carried in [({"decisions.explain"}, "decisions.explain"), (set(), ""), ({"audit.read", "chat"}, "chat")]:
        token = await desk.token(scopes=frozenset(own))
        assert parts_of(token)[1]["scope"] == carried
        assert (await desk.redeem(token)).cause is Cause.NONE


async def test_too_many_live_tokens(desk: Desk) -> None:
    desk.bodies.most = 1
    await desk.token()
    assert (await desk.issue()).cause is IssueCause.TOO_MANY


async def test_it_expires(desk: Desk) -> None:
    token = await desk.token(seconds=60)
    desk.clock.time += 59.9
    assert (await desk.redeem(token)).cause is Cause.NONE
    desk.clock.time += 0.1
    assert (await desk.redeem(token)).cause is Cause.EXPIRED


async def test_one_consumer_of_a_single_use_token(desk: Desk) -> None:
    token = await desk.token(single_use=True)
    assert (await desk.redeem(token)).body == BODY
    assert (await desk.redeem(token)).body == BODY
    assert (await desk.redeem(token, consumer="backend/other")).cause is Cause.REPLAYED


def test_a_record_opens_only_where_it_belongs_and_tells_nothing(desk: Desk) -> None:
    place = Place(ORG, TARGET, "j" * 22, 1_800_000_900)
    sealed = desk.sealer.seal(place, BODY)
    assert desk.sealer.open(place, sealed) == BODY
    assert BODY not in sealed.record
    assert sealed.digest != hashlib.sha256(BODY).hexdigest()
    others = [
        replace(place, organisation="globex"),
        replace(place, brand="support"),
        replace(place, token_id="k" * 22),
        replace(place, expires_at=1_800_000_901),
    ]
    assert [desk.sealer.open(other, sealed) for other in others] == [None] * 4
    again = desk.sealer.seal(place, BODY)
    assert desk.sealer.open(place, Sealed(again.record, sealed.digest)) is None
    for place_of_flip in range(len(sealed.record)):
        flipped = bytearray(sealed.record)
        flipped[place_of_flip] ^= 1
        assert desk.sealer.open(place, Sealed(bytes(flipped), sealed.digest)) is None
    for bad in (b"", b"\xff", sealed.record[:10]):
        assert desk.sealer.open(place, Sealed(bad, sealed.digest)) is None


async def test_a_tampered_body_is_refused(desk: Desk) -> None:
    one, two = await desk.token(), await desk.token()
    handles = [parts_of(token)[1]["ctx"] for token in (one, two)]
    kept = desk.bodies.kept
    kept[handles[0]] = kept[handles[1]]  # another body of the same user, sealed with the same key
    found = await desk.redeem(one)
    assert (found.cause, found.grant, found.body) == (Cause.BODY_TAMPERED, None, b"")
    assert (await desk.redeem(two)).cause is Cause.NONE


async def test_signed_claims_of_another_body_are_refused(desk: Desk) -> None:
    token = await desk.token()
    assert (await desk.redeem(altered(token, ctx_h="0" * 64))).cause is Cause.BODY_TAMPERED


@pytest.mark.parametrize("step", ["issue", "redeem", "revoke"])
async def test_without_the_store_nothing_is_decided(desk: Desk, step: str) -> None:
    token = await desk.token()
    desk.bodies.away = True
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "issue": desk.issue,
        "redeem": lambda: desk.redeem(token),
        "revoke": lambda: desk.exchange.revoke(token, caller_of()),
    }
    with pytest.raises(Unavailable):
        await calls[step]()


async def test_without_tenancy_nothing_is_issued(desk: Desk) -> None:
    desk.brands.away = True
    with pytest.raises(Unavailable):
        await desk.issue()
    assert not desk.bodies.kept


async def test_revoked(desk: Desk) -> None:
    token = await desk.token()
    await desk.exchange.revoke(token, caller_of())
    await desk.exchange.revoke(token, caller_of())
    assert (await desk.redeem(token)).cause is Cause.REVOKED


async def test_another_organisation_cannot_revoke_it(desk: Desk) -> None:
    token = await desk.token()
    for presented, caller in [(token, caller_of(organisation="globex")), (token + "A", caller_of())]:
        with pytest.raises(NotFound):
            await desk.exchange.revoke(presented, caller)
    desk.clock.time += 900
    await desk.exchange.revoke(token, caller_of())
    assert not desk.bodies.revoked


async def test_the_loop_goes_on_while_tokens_are_signed(desk: Desk) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    await asyncio.gather(*(desk.signer.sign({"n": n}) for n in range(50)))
    beside.cancel()
    assert turns > 10  # signing in the loop leaves it two


async def test_keys_rotate_with_an_overlap() -> None:
    keys = Keys()
    old = await (before := Desk(keys)).token()
    keys.kept["ctx-signing"] = [VersionedSecret("2", rsa_key()), *keys.kept["ctx-signing"]]
    keys.kept["ctx-kek"] = [VersionedSecret("2", b"k" * 32), *keys.kept["ctx-kek"]]
    after = Desk(keys)
    after.bodies = after.exchange._store = before.bodies
    new = await after.token()
    assert parts_of(new)[0]["kid"] == "ctx-2"
    assert [(await after.redeem(token)).cause for token in (old, new)] == [Cause.NONE, Cause.NONE]
    assert len(json.loads(after.signer.jwks())["keys"]) == 2
    keys.kept["ctx-signing"] = keys.kept["ctx-signing"][:1]
    assert (await Desk(keys).redeem(old)).cause is Cause.UNKNOWN_KEY


@pytest.mark.parametrize("pem", [b"not a key", signing_key()])
def test_only_an_rsa_key_signs(pem: bytes) -> None:
    keys = Keys()
    keys.kept["ctx-signing"] = [VersionedSecret("1", pem)]
    with pytest.raises(KeyMissingError):
        KeySigner(keys)
