"""Sessions as a product's backend opens, presents and rotates them."""

from __future__ import annotations

from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from tests.support.backend import DEADLINE, Backend, Metadata


def stub(backend: Backend) -> Any:
    return AuthServiceStub(backend.channel("auth"))


def credential(session: str) -> auth.Credential:
    return auth.Credential(session=session)


async def opened(backend: Backend, by: auth.Credential, brand: str = "") -> auth.CreateSessionResponse:
    """A session for whom `by` proves."""
    own = await backend.proof(by, brand)
    answer: auth.CreateSessionResponse = await stub(backend).CreateSession(
        auth.CreateSessionRequest(client_address="192.0.2.10", user_agent="Browser/1"), timeout=DEADLINE, metadata=own
    )
    return answer


async def rotated(backend: Backend, session: str) -> auth.RotateSessionResponse:
    answer: auth.RotateSessionResponse = await stub(backend).RotateSession(
        auth.RotateSessionRequest(session=session), timeout=DEADLINE
    )
    return answer


async def listed(backend: Backend, own: Metadata, subject: str = "") -> list[auth.Session]:
    answer = await stub(backend).ListSessions(auth.ListSessionsRequest(subject=subject), timeout=DEADLINE, metadata=own)
    return list(answer.sessions)
