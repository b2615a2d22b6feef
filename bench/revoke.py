"""`revoke`: from the call that revokes a user to the last accept, anywhere, of a token that the user already had.

Eight clients take the token directly to four services (redaction, ratelimit, tenancy, guardrail), 2 ms after each
answer, when the user is revoked. Every run has a new user. A run's time is that of the latest accept of all eight, as
the client saw its answer arrive. `guard` is what a service pays for each call: a glance at memory.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.guardrail.v1 import guardrail_service_pb2 as guard_pb
from hauberk.guardrail.v1 import guardrail_service_pb2_grpc as guard_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limit_pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as limit_grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redact_pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as redact_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from bench.rows import Row, row
from bench.stacks import embedded, folder
from cli.asking import Reach, by_jwt
from cli.latency import percentile
from cli.members import TOKEN_KEY, Administrator
from embedded.processes import running_processes
from services.kit.caller import Caller
from services.kit.revocations import Guard, Rise

VERIFIERS = 8
TIMEOUT = 5.0
WARM = 0.3
PAUSE = 0.002
AFTERWARDS = 1.5  # how long the verifiers go on: a late accept must be seen
Metadata = tuple[tuple[str, str], ...]
Ask = Callable[[Metadata], Awaitable[Any]]


async def run(small: bool) -> list[Row]:
    """The guard by itself, the embedded stack, and (at full size) one process per service."""
    runs = 5 if small else 50
    rows = [await _guard(2_000 if small else 50_000)]
    async with folder() as place, embedded(place) as stack:
        rows.append(await _measure("embedded", stack, runs))
    if not small:
        async with folder() as place, running_processes(place) as processes:
            rows.append(await _measure("processes", processes, runs))
    return rows


async def _measure(case: str, stack: Reach, runs: int) -> Row:
    administrator = Administrator(stack)
    users = [f"leaver-{number:03d}" for number in range(runs)]
    await administrator.add(users)
    stub = auth_grpc.AuthServiceStub(stack.channel("auth"))
    asks = _asks(stack)
    from_call, from_return, accepted, undecided = [], [], 0, 0
    for user in users:
        asked = auth_pb.AuthenticateRequest(credential=by_jwt(stack.user_jwt(user, ttl=600)), brand=stack.brand)
        token = (await stub.Authenticate(asked, timeout=TIMEOUT)).txn_token
        verifiers = [_Verifier(asks[number % len(asks)], ((TOKEN_KEY, token),)) for number in range(VERIFIERS)]
        running = [asyncio.ensure_future(verifier.run()) for verifier in verifiers]
        await asyncio.sleep(WARM)
        own = await administrator.metadata()
        request = auth_pb.RevokeSubjectRequest(kind=auth_pb.SUBJECT_KIND_USER, id=user)
        called, returned = await _revoke(stub, request, own)
        await asyncio.sleep(AFTERWARDS)
        for verifier in verifiers:
            verifier.stop()
        await asyncio.gather(*running)
        last = max(verifier.last for verifier in verifiers)
        from_call.append(max(0.0, last - called))
        from_return.append(max(0.0, last - returned))
        accepted += sum(verifier.accepted for verifier in verifiers)
        undecided += sum(verifier.undecided for verifier in verifiers)
    late = [value * 1000 for value in from_return]
    return row(
        case,
        from_call,
        verifiers=VERIFIERS,
        accepted_before=accepted,
        undecided=undecided,
        after_return_p50_ms=round(percentile(late, 0.50), 3),
        after_return_p99_ms=round(percentile(late, 0.99), 3),
        after_return_max_ms=round(max(late), 3),
    )


async def _revoke(stub: Any, request: Any, own: Metadata) -> tuple[float, float]:
    """From when to when. A stack that is too busy to put it on record refuses to revoke: then it is asked again."""
    while True:
        called = time.perf_counter()
        try:
            await stub.RevokeSubject(request, timeout=TIMEOUT, metadata=own)
        except aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            continue
        return called, time.perf_counter()


class _Verifier:
    """Presents a token again and again, also after the first refusal."""

    def __init__(self, ask: Ask, proof: Metadata) -> None:
        self._ask, self._proof, self._going = ask, proof, True
        self.last = -math.inf
        self.accepted = self.undecided = 0

    def stop(self) -> None:
        self._going = False

    async def run(self) -> None:
        """What cannot be decided on a machine that is too busy is no accept; it is counted."""
        while self._going:
            try:
                await self._ask(self._proof)
            except aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    self.undecided += 1
            else:
                self.last = time.perf_counter()
                self.accepted += 1
            await asyncio.sleep(PAUSE)


def _asks(stack: Reach) -> list[Ask]:
    texts = redact_grpc.RedactionServiceStub(stack.channel("redaction"))
    limits = limit_grpc.RateLimitServiceStub(stack.channel("ratelimit"))
    people = tenancy_grpc.TenancyServiceStub(stack.channel("tenancy"))
    guards = guard_grpc.GuardrailServiceStub(stack.channel("guardrail"))
    brand = tenancy_pb.Resource(type="Brand", id=stack.brand)
    questions: list[tuple[Any, Any]] = [
        (texts.Detect, redact_pb.DetectRequest(texts=["hello"])),
        (limits.Inspect, limit_pb.InspectRequest()),
        (people.Authorize, tenancy_pb.AuthorizeRequest(action="chat.send", resource=brand)),
        (guards.InspectInput, guard_pb.InspectInputRequest(parts=[guard_pb.Part(text="hello")])),
    ]

    def asking(method: Any, request: Any) -> Ask:
        async def ask(proof: Metadata) -> Any:
            return await method(request, timeout=TIMEOUT, metadata=proof)

        return ask

    return [asking(method, request) for method, request in questions]


async def _guard(n: int) -> Row:
    """A caller whose organisation has revocations in memory: the dear case. The cheap one is told beside it."""

    async def unasked(_: Caller, __: str) -> bool:
        raise RuntimeError("memory was to decide")

    guard = Guard(unasked)
    guard.hear(1000, [Rise(number, "acme", f"u:{number}", 1) for number in range(1000)])
    busy = Caller("acme", "ada", "acme-chat", "t", "backend/demo", "m", 0, credential_id="key_" + "0" * 22)
    calm = Caller("globex", "gus", "globex-chat", "t", "backend/demo", "m", 0, credential_id="key_" + "0" * 22)
    dear, cheap = [await _times(guard, caller, n) for caller in (busy, calm)]
    return row("guard", dear, none_risen_p50_ms=round(percentile(cheap, 0.50) * 1000, 5), entries=1000)


async def _times(guard: Guard, caller: Caller, n: int) -> list[float]:
    taken = []
    for _ in range(n):
        guard.hear(1000, ())
        started = time.perf_counter()
        await guard.require_standing(caller, "token")
        taken.append(time.perf_counter() - started)
    return taken
