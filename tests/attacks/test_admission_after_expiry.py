"""An admission that was kept for later: it lives exactly as long as it was opened for."""

from __future__ import annotations

import asyncio

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from embedded.stack import Stack
from tests.attacks.toolbox import READ, READ_BRAND, arguments
from tests.support.backend import DEADLINE, Backend, allowed, fresh, proof, said

REFUSED = "DENY ADMISSION_NOT_ACCEPTED"


async def short_admission(target: Stack, backend: Backend, seconds: int) -> str:
    """Opened as the gateway opens it, for a backend, with a life of its own."""
    user = await backend.member(fresh("late"))
    token = (await backend.authenticate(user)).txn_token
    request = auth.OpenAdmissionRequest(conversation="c", holder=backend.workload)
    request.ttl.FromSeconds(seconds)
    stub = AuthServiceStub(target.inprocess("auth", "gateway"))
    opened = await stub.OpenAdmission(request, timeout=DEADLINE, metadata=proof(token))
    return str(opened.admission)


async def test_it_is_refused(target: Stack, backend: Backend) -> None:
    tool = await backend.tool(READ_BRAND, READ)
    admission = await short_admission(target, backend, 2)
    assert allowed(await backend.complete(admission, "In time."))
    await asyncio.sleep(2.1)
    late = await backend.complete(admission, "Too late.")
    assert (said(late), late.text) == (REFUSED, "")
    shown, result = await backend.stream(admission, ["Too late."])
    assert (said(result), shown) == (REFUSED, "")
    assert said(await backend.call_tool(admission, tool, arguments(brand=target.brand))) == REFUSED
