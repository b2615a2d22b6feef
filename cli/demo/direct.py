"""A backend that skips the gateway and calls a service directly, without a transaction token."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as limits_grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redaction_pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as redaction_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from cli.asking import TIMEOUT
from cli.demo.scenario import Report, World
from cli.failure import Failure
from cli.members import TOKEN_KEY


async def behind_the_gateway(world: World) -> Report:
    """Every service checks for itself who calls, and for whom."""
    report = Report()
    stack = world.stack
    tenancy = tenancy_grpc.TenancyServiceStub(stack.channel("tenancy"))
    limits = limits_grpc.RateLimitServiceStub(stack.channel("ratelimit"))
    redaction = redaction_grpc.RedactionServiceStub(stack.channel("redaction"))
    auth = auth_grpc.AuthServiceStub(stack.channel("auth"))
    question = tenancy_pb.AuthorizeRequest(
        action="chat.send", resource=tenancy_pb.Resource(type="Brand", id=stack.brand)
    )
    cost = limits_pb.Cost(requests=1)
    decide = limits_pb.DecideRequest(mode=limits_pb.MODE_TAKE, request_id="demo-direct-1", cost=cost)
    redact = redaction_pb.RedactRequest(conversation="demo", texts=["hello"])
    opening = auth_pb.OpenAdmissionRequest(conversation="demo", holder="backend/demo")
    opening.ttl.FromSeconds(60)
    token = (await world.acme.metadata())[0][1]
    forged = _metadata(token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB"))
    calls: list[tuple[str, str, Awaitable[Any]]] = [
        ("tenancy, no token", "UNAUTHENTICATED", tenancy.Authorize(question, timeout=TIMEOUT)),
        ("ratelimit, no token", "UNAUTHENTICATED", limits.Decide(decide, timeout=TIMEOUT)),
        ("redaction, no token", "UNAUTHENTICATED", redaction.Redact(redact, timeout=TIMEOUT)),
        ("tenancy, forged token", "UNAUTHENTICATED", tenancy.Authorize(question, timeout=TIMEOUT, metadata=forged)),
        (
            "auth, good token, method for the gateway alone",
            "PERMISSION_DENIED",
            auth.OpenAdmission(opening, timeout=TIMEOUT, metadata=_metadata(token)),
        ),
    ]
    for label, expected, call in calls:
        report.expect(label, expected, await _status(call))
    return report


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return ((TOKEN_KEY, token),)


async def _status(call: Awaitable[Any]) -> str:
    try:
        await call
    except aio.AioRpcError as error:
        return Failure.of(error).code
    return "OK"
