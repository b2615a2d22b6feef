"""A session that was replaced is presented, rotated and used again, by its thief and by many at once."""

from __future__ import annotations

import asyncio

from embedded.stack import Stack
from tests.support.backend import Backend, allowed, by_key, said
from tests.support.sessions import credential, listed, opened, rotated


async def test_the_old_one_is_dead_everywhere_at_once(target: Stack, backend: Backend, thief: Backend) -> None:
    made = await opened(backend, by_key(target.api_key))
    old = credential(made.session)
    admission = await backend.admitted(old)
    new = await rotated(backend, made.session)
    assert allowed(new)
    for who in (backend, thief):
        assert said(await who.admit(old)) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
        assert not allowed(await rotated(who, made.session))
    # What was admitted with it stood on it.
    assert said(await backend.complete(admission, "Late.")) == "DENY ADMISSION_NOT_ACCEPTED"
    assert allowed(await backend.admit(credential(new.session)))


async def test_a_race_of_rotations_makes_one_session(target: Stack, backend: Backend, thief: Backend) -> None:
    made = await opened(backend, by_key(target.api_key))
    answers = await asyncio.gather(*(rotated(who, made.session) for who in [backend, thief] * 5))
    won = [answer for answer in answers if allowed(answer)]
    assert len(won) == 1
    assert {answer.session for answer in answers} == {"", won[0].session}
    live = {row.session_id for row in await listed(backend, await backend.administer())}
    assert won[0].session_id in live
    assert made.session_id not in live
