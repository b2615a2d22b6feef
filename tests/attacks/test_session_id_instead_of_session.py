"""The id of a session, which lists and the audit trail show, is presented in place of the session."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as auth

from embedded.stack import Stack
from tests.support.backend import Backend, allowed, by_key, said
from tests.support.sessions import credential, listed, opened, rotated


async def test_what_is_shown_opens_nothing(target: Stack, backend: Backend) -> None:
    made = await opened(backend, by_key(target.api_key))
    shown = await listed(backend, await backend.administer())
    (row,) = [row for row in shown if row.session_id == made.session_id]
    assert made.session not in str(shown)
    assert made.session[-49:-6] not in str(shown)
    tail = row.session_id.removeprefix("ses_")
    for text in (row.session_id, tail, f"hbks_test_{tail}", f"hbks_test_{tail:0>49}", row.agent or "x", row.network):
        for kind in (auth.Credential(session=text), auth.Credential(api_key=text)):
            assert said(await backend.admit(kind)) == "DENY CREDENTIAL_NOT_ACCEPTED by auth", text
        assert not (await rotated(backend, text)).session
    assert allowed(await backend.admit(credential(made.session)))


async def test_a_session_is_no_api_key_and_an_api_key_no_session(target: Stack, backend: Backend) -> None:
    made = await opened(backend, by_key(target.api_key))
    for kind in (auth.Credential(api_key=made.session), credential(target.api_key)):
        assert said(await backend.admit(kind)) == "DENY CREDENTIAL_NOT_ACCEPTED by auth"
