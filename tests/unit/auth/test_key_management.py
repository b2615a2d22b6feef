"""Creating, rotating, revoking and listing keys over ports in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.auth.flows.key_management import Wanted
from services.auth.policy import scopes
from services.auth.policy.causes import Cause
from services.kit.caller import Caller
from services.kit.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def caller_of(desk: Desk) -> tuple[str, Caller]:
    text = desk.plant()
    return text, await desk.caller(text)


@pytest.mark.parametrize(
    "asked",
    [
        ("audit.read",),
        ("chat", "audit.read"),
        ("settle",),
        ("signal",),
        ("grant",),
        ("reset",),
        ("restore",),
        ("CHAT",),
    ],
)
async def test_no_key_is_wider_than_its_maker(desk: Desk, asked: tuple[str, ...]) -> None:
    _, caller = await caller_of(desk)
    with pytest.raises(InvalidArgument) as error:
        await desk.management.create(caller, Wanted(USER, "", asked))
    assert error.value.violations[-1].field == f"scopes[{len(asked) - 1}]"


@pytest.mark.parametrize("scope", ["settle", "restore"])
async def test_reserved_scopes_are_refused_even_to_who_has_them(desk: Desk, scope: str) -> None:
    _, caller = await caller_of(desk)
    with pytest.raises(InvalidArgument):
        await desk.management.create(replace(caller, scopes=frozenset({scope})), Wanted(USER, "", (scope,)))


async def test_a_new_key_works_and_is_kept_nowhere(desk: Desk) -> None:
    _, caller = await caller_of(desk)
    issued = await desk.management.create(caller, Wanted(USER, BRAND, ("chat",), "ci", 60))
    assert issued.text not in repr(desk.keys.rows)
    found = await desk.present(issued.text)
    assert found.minted is not None
    assert found.minted.caller.scopes == {"chat"}
    desk.clock.time += 60
    assert (await desk.present(issued.text)).cause is Cause.KEY_EXPIRED


@pytest.mark.parametrize(("subject", "brand"), [("eve", ""), (USER, "foreign")])
async def test_keys_are_for_members_only(desk: Desk, subject: str, brand: str) -> None:
    _, caller = await caller_of(desk)
    with pytest.raises(FailedPrecondition):
        await desk.management.create(caller, Wanted(subject, brand, ("chat",)))


@pytest.mark.parametrize("act", ["create", "rotate", "revoke", "page"])
async def test_a_revoked_caller_cannot_use_its_last_minute(desk: Desk, act: str) -> None:
    text, caller = await caller_of(desk)
    await desk.book.rise(caller, f"u:{USER}")
    key_id = desk.record(text).key_id
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "create": lambda: desk.management.create(caller, Wanted(USER, "", ("chat",))),
        "rotate": lambda: desk.management.rotate(caller, key_id, None),
        "revoke": lambda: desk.management.revoke(caller, key_id),
        "page": lambda: desk.management.page(caller, None, 10),
    }
    with pytest.raises(Unauthenticated):
        await calls[act]()


async def test_only_the_first_key_is_bootstrapped(desk: Desk) -> None:
    issued = await desk.management.bootstrap(ORG, USER, BRAND)
    assert issued.record.scopes == scopes.BOOTSTRAP
    assert (await desk.present(issued.text)).minted
    for _ in range(2):
        with pytest.raises(FailedPrecondition):
            await desk.management.bootstrap(ORG, USER, BRAND)


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_an_organisation_without_an_active_key_has_a_way_back_in(desk: Desk, end: str) -> None:
    issued = await desk.management.bootstrap(ORG, USER, BRAND)
    desk.keys.change(issued.record.key_id, expires_at=desk.clock.now() + 60)
    if end == "revoked":
        await desk.management.revoke(await desk.caller(issued.text), issued.record.key_id)
    else:
        desk.clock.time += 60
    again = await desk.management.bootstrap(ORG, USER, BRAND)
    assert (await desk.present(again.text)).minted
    assert (await desk.present(issued.text)).minted is None
    with pytest.raises(FailedPrecondition):
        await desk.management.bootstrap(ORG, USER, BRAND)


async def test_rotation_with_grace_keeps_both_for_a_while(desk: Desk) -> None:
    text, caller = await caller_of(desk)
    issued = await desk.management.rotate(caller, desk.record(text).key_id, 3600)
    assert issued.old_ends_at == desk.clock.now() + 3600
    assert (await desk.present(text)).minted
    assert (await desk.present(issued.text)).minted
    desk.clock.time += 3600
    assert (await desk.present(text)).cause is Cause.KEY_GRACE_ENDED
    assert (await desk.present(issued.text)).minted


@pytest.mark.parametrize("grace", [0.0, 3.0])
async def test_a_short_grace_is_not_outlived_by_memory(desk: Desk, grace: float) -> None:
    text, caller = await caller_of(desk)
    await desk.management.rotate(caller, desk.record(text).key_id, grace)
    desk.clock.time += grace
    assert (await desk.present(text)).cause is Cause.KEY_GRACE_ENDED


@pytest.mark.parametrize(
    "fields", [{"rotated_to": "key_x", "grace_until": 9e9}, {"revoked_at": 1.0}, {"expires_at": 1.0}]
)
async def test_only_an_active_key_is_rotated(desk: Desk, fields: dict[str, object]) -> None:
    _, caller = await caller_of(desk)
    other = desk.plant(b"\x22" * 32, **fields)
    with pytest.raises(FailedPrecondition):
        await desk.management.rotate(caller, desk.record(other).key_id, None)


async def test_nobody_is_shown_the_successor_of_a_wider_key(desk: Desk) -> None:
    _, caller = await caller_of(desk)
    wider = desk.plant(b"\x22" * 32, scopes=frozenset({"chat", "audit.read"}))
    with pytest.raises(PermissionDenied):
        await desk.management.rotate(caller, desk.record(wider).key_id, None)


async def test_a_foreign_key_is_an_unknown_key(desk: Desk) -> None:
    _, caller = await caller_of(desk)
    foreign = desk.record(desk.plant(b"\x22" * 32, organisation="globex")).key_id
    for key_id in (foreign, "key_" + "9" * 22):
        with pytest.raises(NotFound):
            await desk.management.rotate(caller, key_id, None)
        with pytest.raises(NotFound):
            await desk.management.revoke(caller, key_id)
    assert foreign not in {row.key_id for row in (await desk.management.page(caller, None, 0))[0]}


async def test_revoking_without_the_mirror_changes_nothing(desk: Desk) -> None:
    text, caller = await caller_of(desk)
    desk.epochs.away = True
    with pytest.raises(Unavailable):
        await desk.management.revoke(caller, desk.record(text).key_id)
    assert desk.record(text).revoked_at is None


async def test_pages(desk: Desk) -> None:
    _, caller = await caller_of(desk)
    for number in range(4):
        desk.plant(bytes([number]) * 32, created_at=desk.clock.now() + number)
    first, more = await desk.management.page(caller, None, 3)
    assert (len(first), more) == (3, True)
    rest, more = await desk.management.page(caller, (first[-1].created_at, first[-1].key_id), 3)
    assert (len(rest), more) == (2, False)
