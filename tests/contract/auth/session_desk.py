"""What is done with sessions, in few words."""

from __future__ import annotations

from typing import Any

import grpc
import psycopg
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from tests.contract.auth.house import DENY, SHOP, TOKEN, House

REFUSED = (DENY, decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)
PRECONDITION, MISSING = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value.code(), str(error.value.details())


async def open_session(house: House, key: str, **fields: Any) -> pb.CreateSessionResponse:
    seconds = fields.pop("seconds", None)
    request = pb.CreateSessionRequest(**fields)
    if seconds is not None:
        request.ttl.FromSeconds(seconds)
    answer: pb.CreateSessionResponse = await house.call("CreateSession", await house.token(key), request)
    return answer


async def present(house: House, session: str, **fields: Any) -> pb.AuthenticateResponse:
    return await house.authenticate("", credential=pb.Credential(session=session), **fields)


async def said(house: House, session: str, **fields: Any) -> tuple[int, int]:
    answer = await present(house, session, **fields)
    return answer.outcome, answer.reason


async def rotate(house: House, session: str, workload: str = SHOP) -> pb.RotateSessionResponse:
    answer: pb.RotateSessionResponse = await house.auth(workload).RotateSession(
        pb.RotateSessionRequest(session=session)
    )
    return answer


async def shown(house: House, token: str, **fields: Any) -> list[pb.Session]:
    return list((await house.call("ListSessions", token, pb.ListSessionsRequest(**fields))).sessions)


async def new_key(house: House, key: str, subject: str, *scopes: str, seconds: int = 0) -> pb.CreateApiKeyResponse:
    request = pb.CreateApiKeyRequest(subject=subject, brand="shop", scopes=scopes or ["chat"])
    if seconds:
        request.ttl.FromSeconds(seconds)
    answer: pb.CreateApiKeyResponse = await house.call("CreateApiKey", await house.token(key), request)
    return answer


async def put_member(house: House, key: str, user: str, *roles: str) -> None:
    request = tenancy_pb.PutMemberRequest(member=tenancy_pb.Member(user=user, roles=roles))
    await house.tenancy(SHOP).PutMember(request, metadata=((TOKEN, await house.token(key)),))


def alter(house: House, session_id: str, change: str) -> None:
    """What time would do."""
    with psycopg.connect(house.stores.admin_dsn, autocommit=True) as admin:
        done = admin.execute(f"UPDATE auth.sessions SET {change} WHERE session_id = %s".encode(), [session_id])
        assert done.rowcount == 1


def revoke(house: House, token: str, session_id: str) -> Any:
    return house.call("RevokeSession", token, pb.RevokeSessionRequest(session_id=session_id))
