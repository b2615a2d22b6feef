"""Somebody planted or copied a session while its user could do little, and waits until the user can do more."""

from __future__ import annotations

from embedded.stack import Stack
from tests.support.backend import Backend, allowed, fresh, said
from tests.support.sessions import credential, opened, rotated
from tests.support.waiting import eventually


async def test_it_never_has_the_new_role(target: Stack, backend: Backend, thief: Backend) -> None:
    name = fresh("user")
    made = await opened(backend, await backend.member(name))
    copy = credential(made.session)
    assert allowed(await thief.admit(copy))
    await backend.member(name, roles=["member", "admin"])

    async def refused() -> str:  # what tenancy said is remembered for five seconds
        answer = await thief.authenticate(copy)
        return "" if allowed(answer) else said(answer)

    assert await eventually(refused) == "DENY SESSION_ROTATION_REQUIRED"
    assert said(await thief.admit(copy)) == "DENY SESSION_ROTATION_REQUIRED by auth"
    own = await rotated(backend, made.session)
    assert allowed(own)
    assert allowed(await backend.admit(credential(own.session)))
    assert said(await thief.admit(copy)) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
    late = await rotated(thief, made.session)
    assert (said(late), late.session) == ("DENY CREDENTIAL_NOT_ACCEPTED", "")
