"""Authenticate over ports in memory: refusals look and cost the same, and nothing fails open."""

from __future__ import annotations

from collections.abc import Callable

import jwt
import pytest

from services.auth import messages
from services.auth.flows.authenticate import Kind
from services.auth.policy import api_keys
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.kit.errors import Unavailable
from services.kit.txn_token import caller_of
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def forged(desk: Desk) -> str:
    desk.plant()
    return api_keys.compose("hbk", "test", b"\x55" * 32)


def revoked(desk: Desk) -> str:
    return desk.plant(revoked_at=desk.clock.now() - 1, epoch=1)


def expired(desk: Desk) -> str:
    return desk.plant(expires_at=desk.clock.now() - 1)


def out_of_grace(desk: Desk) -> str:
    return desk.plant(rotated_to="key_next", grace_until=desk.clock.now() - 1)


def of_a_revoked_user(desk: Desk) -> str:
    desk.epochs.ledger[ORG, f"u:{USER}"] = Mark(1, desk.clock.now())
    return desk.plant()


def of_a_revoked_organisation(desk: Desk) -> str:
    desk.epochs.ledger[ORG, "o"] = Mark(1, desk.clock.now())
    return desk.plant()


def of_a_revoked_brand(desk: Desk) -> str:
    desk.epochs.ledger[ORG, f"b:{BRAND}"] = Mark(4, desk.clock.now())
    return desk.plant(brand=BRAND)


REFUSED: list[tuple[Callable[[Desk], str], Cause]] = [
    (forged, Cause.KEY_UNKNOWN),
    (revoked, Cause.KEY_REVOKED),
    (expired, Cause.KEY_EXPIRED),
    (out_of_grace, Cause.KEY_GRACE_ENDED),
    (of_a_revoked_user, Cause.EPOCH_OVERTAKEN),
    (of_a_revoked_organisation, Cause.EPOCH_OVERTAKEN),
    (of_a_revoked_brand, Cause.EPOCH_OVERTAKEN),
]


@pytest.mark.parametrize(("prepare", "cause"), REFUSED)
async def test_failed_keys_are_refused_alike(desk: Desk, prepare: Callable[[Desk], str], cause: Cause) -> None:
    found = await desk.present(prepare(desk))
    assert (found.cause, found.minted) == (cause, None)
    assert messages.credential_reason(found.cause) == messages.credential_reason(Cause.KEY_UNKNOWN)
    assert (desk.keys.lookups, desk.epochs.reads, desk.directory.asked) == (1, 1, 0)


@pytest.mark.parametrize("text", ["", "hbk_test_", "hbk_live_" + "0" * 49, "sk-" + "x" * 40, "hbk_test_" + "0" * 49])
async def test_a_bad_shape_costs_no_store_call(desk: Desk, text: str) -> None:
    found = await desk.present(text)
    assert found.minted is None
    assert (desk.keys.lookups, desk.epochs.reads, desk.directory.asked) == (0, 0, 0)


@pytest.mark.parametrize("kind", [Kind.SESSION, Kind.CONTEXT_TOKEN, Kind.JWT])
async def test_kinds_that_are_not_served_are_refused(desk: Desk, kind: Kind) -> None:
    found = await desk.present(desk.plant(), kind)
    assert found.minted is None
    assert messages.credential_reason(found.cause) == messages.credential_reason(Cause.KEY_UNKNOWN)


async def test_a_good_key_gets_a_token_with_all_that_is_known(desk: Desk) -> None:
    text = desk.plant()
    found = await desk.present(text)
    assert found.minted is not None
    claims = jwt.decode(found.minted.token, options={"verify_signature": False})
    caller = caller_of(claims)
    assert caller == found.minted.caller
    assert (caller.organisation, caller.subject, caller.brand) == (ORG, USER, BRAND)
    assert (caller.plan, caller.zone, caller.workload) == ("pro", "Europe/Paris", "backend/shop")
    assert caller.credential_id == desk.record(text).key_id
    assert claims["exp"] - claims["iat"] == 60
    assert caller.org_mac.startswith(f"{ORG}.{claims['exp'] + 5}.")
    assert jwt.get_unverified_header(found.minted.token) == {"alg": "ES256", "typ": "txntoken+jwt", "kid": "v1"}
    assert text not in found.minted.token


async def test_a_remembered_key_asks_only_for_epochs(desk: Desk) -> None:
    text = desk.plant()
    for _ in range(5):
        assert (await desk.present(text)).minted
    assert (desk.keys.lookups, desk.directory.asked) == (1, 1)
    assert desk.epochs.reads == 6  # the brand's epoch came after tenancy had named it, once


@pytest.mark.parametrize("name", ["o", f"u:{USER}", f"b:{BRAND}"])
async def test_a_remembered_key_is_refused_once_an_epoch_rose(desk: Desk, name: str) -> None:
    text = desk.plant()
    caller = await desk.caller(text)
    await desk.book.rise(caller, name)
    found = await desk.present(text)
    assert (found.cause, found.minted) == (Cause.EPOCH_OVERTAKEN, None)


async def test_a_remembered_key_is_refused_once_revoked(desk: Desk) -> None:
    text = desk.plant()
    caller = await desk.caller(text)
    await desk.management.revoke(caller, desk.record(text).key_id)
    assert (await desk.present(text)).cause is Cause.KEY_REVOKED


async def test_a_remembered_key_still_expires(desk: Desk) -> None:
    text = desk.plant(expires_at=desk.clock.now() + 2)
    assert (await desk.present(text)).minted
    desk.clock.time += 2
    before = desk.keys.lookups
    assert (await desk.present(text)).cause is Cause.KEY_EXPIRED
    assert desk.keys.lookups == before + 1  # as for a key that nobody ever saw: a refusal never rests on memory


async def test_a_rotated_key_is_good_until_its_grace_ends(desk: Desk) -> None:
    text = desk.plant(rotated_to="key_next", grace_until=desk.clock.now() + 60)
    assert (await desk.present(text)).minted
    desk.clock.time += 60
    assert (await desk.present(text)).cause is Cause.KEY_GRACE_ENDED


@pytest.mark.parametrize("brand", ["foreign", "nowhere"])
async def test_an_unproven_brand_is_refused(desk: Desk, brand: str) -> None:
    assert (await desk.present(desk.plant(), brand=brand)).cause is Cause.NOT_A_MEMBER


async def test_a_brand_selects_among_proven_ones(desk: Desk) -> None:
    found = await desk.present(desk.plant(), brand="other")
    assert found.minted is not None
    assert found.minted.caller.brand == "other"


async def test_a_key_bound_to_a_brand_is_good_for_no_other(desk: Desk) -> None:
    text = desk.plant(brand=BRAND)
    assert (await desk.present(text, brand="other")).cause is Cause.KEY_WRONG_BRAND
    assert (await desk.present(text, brand=BRAND)).minted


async def test_a_stranger_with_a_good_key_is_refused(desk: Desk) -> None:
    desk.directory.members.clear()
    assert (await desk.present(desk.plant())).cause is Cause.NOT_A_MEMBER


async def test_a_suspended_organisation_is_told_so(desk: Desk) -> None:
    desk.directory.suspended = True
    assert (await desk.present(desk.plant())).cause is Cause.ORGANISATION_SUSPENDED


@pytest.mark.parametrize("dependency", ["keys", "epochs", "ledger", "directory"])
async def test_a_dependency_away_is_never_an_allow(desk: Desk, dependency: str) -> None:
    getattr(desk, dependency).away = True
    with pytest.raises(Unavailable):
        await desk.present(desk.plant())


async def test_an_empty_mirror_resurrects_nobody(desk: Desk) -> None:
    text = desk.plant()
    caller = await desk.caller(text)
    await desk.book.rise(caller, f"u:{USER}")
    desk.epochs.mirror.clear()
    assert (await desk.present(text)).cause is Cause.EPOCH_OVERTAKEN
    desk.epochs.mirror.clear()
    desk.ledger.away = True
    with pytest.raises(Unavailable):
        await desk.present(text)


async def test_membership_is_asked_again_after_a_while(desk: Desk) -> None:
    text = desk.plant()
    assert (await desk.present(text)).minted
    desk.directory.members.clear()
    desk.clock.time += 5
    assert (await desk.present(text)).cause is Cause.NOT_A_MEMBER
