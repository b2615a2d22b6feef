"""Admissions: one workload, until somebody is revoked or time is up; every refusal looks the same."""

from __future__ import annotations

import pytest

from services.auth.policy import admissions
from services.auth.policy.causes import Cause
from services.kit.errors import Unavailable
from tests.unit.auth.fakes import BRAND, USER, Desk

HOLDER = "backend/shop"


async def opened(desk: Desk) -> tuple[str, str]:
    text = desk.plant()
    caller = await desk.caller(text)
    handle, _ = await desk.admissions.open(caller, holder=HOLDER, conversation="c-1", reservation="r-1", seconds=300)
    return handle, text


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_the_holder_goes_on_in_the_same_transaction(desk: Desk) -> None:
    handle, _ = await opened(desk)
    desk.clock.time += 299
    found = await desk.admissions.go_on(handle, HOLDER)
    assert found.minted is not None
    assert found.admission is not None
    (kept,) = desk.kept.kept.values()
    assert found.minted.caller.txn == kept.txn
    assert (found.minted.caller.workload, found.minted.caller.brand, found.minted.caller.plan) == (HOLDER, BRAND, "pro")
    assert (found.admission.conversation, found.admission.reservation) == ("c-1", "r-1")


async def test_the_store_knows_no_handle(desk: Desk) -> None:
    handle, _ = await opened(desk)
    assert handle not in repr(desk.kept.kept)


@pytest.mark.parametrize("who", ["backend/other", "backend/shop2", "backend", "gateway", "BACKEND/SHOP", ""])
async def test_nobody_else_goes_on(desk: Desk, who: str) -> None:
    handle, _ = await opened(desk)
    found = await desk.admissions.go_on(handle, who)
    assert (found.cause, found.minted, found.admission) == (Cause.ADMISSION_FOREIGN, None, None)


@pytest.mark.parametrize(
    "handle", ["", "adm_", "adm_" + "A" * 43, "adm_" + "A" * 42 + "\n", "adm_" + "A" * 44, "A" * 47, "adm_" + "ü" * 43]
)
async def test_an_invented_handle_is_unknown(desk: Desk, handle: str) -> None:
    await opened(desk)
    found = await desk.admissions.go_on(handle, HOLDER)
    assert (found.cause, found.minted) == (Cause.ADMISSION_UNKNOWN, None)


async def test_an_admission_ends(desk: Desk) -> None:
    handle, _ = await opened(desk)
    desk.clock.time += 300
    assert (await desk.admissions.go_on(handle, HOLDER)).cause is Cause.ADMISSION_EXPIRED


@pytest.mark.parametrize("name", ["o", f"u:{USER}", f"b:{BRAND}"])
async def test_a_revocation_ends_it(desk: Desk, name: str) -> None:
    handle, text = await opened(desk)
    await desk.book.rise(await desk.caller(text), name)
    assert (await desk.admissions.go_on(handle, HOLDER)).cause is Cause.EPOCH_OVERTAKEN


async def test_revoking_the_key_ends_it(desk: Desk) -> None:
    handle, text = await opened(desk)
    await desk.management.revoke(await desk.caller(text), desk.record(text).key_id)
    assert (await desk.admissions.go_on(handle, HOLDER)).cause is Cause.EPOCH_OVERTAKEN


@pytest.mark.parametrize("store", ["epochs", "ledger"])
async def test_without_epochs_nobody_goes_on(desk: Desk, store: str) -> None:
    handle, _ = await opened(desk)
    desk.epochs.mirror.clear()
    getattr(desk, store).away = True
    with pytest.raises(Unavailable):
        await desk.admissions.go_on(handle, HOLDER)


def test_a_broken_record_is_none() -> None:
    assert admissions.from_bytes(b"{}") is None
    assert admissions.from_bytes(b"\xff") is None
    assert admissions.from_bytes(b"[]") is None
