"""A stack in which no rule of the contract is checked: what then comes through is refused where it would matter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.altered import altered_stack
from tests.support.backend import DEADLINE, Backend, Metadata, allowed, fresh, status_of, user
from tests.support.boundaries import without_contract

SSN = "457-55-5462"
TOKENS = "user_brand.tokens.day"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_stack() -> AsyncIterator[Stack]:
    async with altered_stack(*without_contract()) as stack:
        yield stack


BENT = (
    {"brand": "globex-chat' OR '1'='1"},
    {"brand": "acme-chat'; DROP TABLE tenancy.members; --"},
    {"brand": "*"},
    {"client_address": "127.0.0.1\nx"},
    {"conversation": ""},
    {"conversation": "x}:{globex"},
    {"conversation": "../../etc/passwd\x00"},
    {"estimate": pb.Estimate(model="self-hosted", input_tokens=-40_000, output_tokens=-40_000)},
    {"estimate": pb.Estimate(model="self-hosted", input_tokens=10**15, output_tokens=10**15)},
)


def bent_id(bent: dict[str, object]) -> str:
    return f"{next(iter(bent))}-{BENT.index(bent)}"


@pytest.mark.parametrize("bent", BENT, ids=bent_id)
async def test_with_everything_it_is_refused_by_the_contract(stack: Stack, bent: dict[str, object]) -> None:
    backend = Backend(stack)
    call = backend.gateway.Admit(await request_of(backend, bent), timeout=DEADLINE)
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def request_of(backend: Backend, bent: dict[str, object]) -> pb.AdmitRequest:
    own = {
        "credential": await backend.member(),
        "conversation": fresh("talk"),
        "messages": [user("Hello")],
        "estimate": pb.Estimate(model="self-hosted", output_tokens=50),
    }
    return pb.AdmitRequest(**(own | bent))  # type: ignore[arg-type]


@pytest.mark.parametrize("bent", [b for b in BENT if "brand" in b], ids=bent_id)
async def test_a_bent_brand_opens_nothing(open_stack: Stack, bent: dict[str, object]) -> None:
    backend = Backend(open_stack)
    answer = await backend.gateway.Admit(await request_of(backend, bent), timeout=DEADLINE)
    assert not allowed(answer)
    assert not (answer.admission or answer.messages)
    listed = await TenancyServiceStub(backend.channel("tenancy")).ListMembers(
        tenancy.ListMembersRequest(), timeout=DEADLINE, metadata=await backend.administer()
    )
    assert listed.members


@pytest.mark.parametrize("bent", [b for b in BENT if "conversation" in b], ids=bent_id)
async def test_a_bent_conversation_leads_nowhere_else(open_stack: Stack, bent: dict[str, object]) -> None:
    backend = Backend(open_stack)
    theirs = await backend.member(organisation=open_stack.other)
    await backend.admitted(theirs, f"My SSN is {SSN}", conversation="globex")
    request = await request_of(backend, bent)
    try:
        answer = await backend.gateway.Admit(request, timeout=DEADLINE)
        shown = (await backend.complete(answer.admission, "It is <US_SSN>.")).text if answer.admission else ""
    except aio.AioRpcError:
        return
    assert SSN not in shown


async def left(backend: Backend, own: Metadata) -> int:
    stub = RateLimitServiceStub(backend.channel("ratelimit"))
    answer = await stub.Inspect(limits.InspectRequest(), timeout=DEADLINE, metadata=own)
    return next(int(limit.remaining) for limit in answer.limits if limit.id == TOKENS)


@pytest.mark.parametrize("amount", [-40_000, -(10**17), 10**15])
async def test_a_negative_or_endless_estimate_buys_nothing(open_stack: Stack, amount: int) -> None:
    backend = Backend(open_stack)
    cheat = await backend.member()
    own = await backend.proof(cheat)
    ordinary = pb.Estimate(model="self-hosted", input_tokens=1000, output_tokens=1000)
    await backend.admitted(cheat, estimate=ordinary)
    before = await left(backend, own)
    bent = pb.Estimate(model="self-hosted", input_tokens=amount, output_tokens=amount)
    request = pb.AdmitRequest(credential=cheat, conversation=fresh("talk"), messages=[user("Hi")], estimate=bent)
    try:
        assert not allowed(await backend.gateway.Admit(request, timeout=DEADLINE))
    except aio.AioRpcError as error:
        assert error.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}
    assert await left(backend, own) == before


@pytest.mark.parametrize("amount", [-40_000, -(10**17)])
async def test_nor_does_a_negative_report_of_use(open_stack: Stack, amount: int) -> None:
    backend = Backend(open_stack)
    cheat = await backend.member()
    own = await backend.proof(cheat)
    before = await left(backend, own)
    admission = await backend.admitted(cheat)
    await status_of(backend.complete(admission, "Hi.", input_tokens=amount, output_tokens=amount))
    assert await left(backend, own) <= before

    held = await RateLimitServiceStub(backend.channel("ratelimit")).Decide(
        limits.DecideRequest(
            mode=limits.MODE_RESERVE, request_id=fresh("hold"), cost=limits.Cost(output_tokens=500, model="self-hosted")
        ),
        timeout=DEADLINE,
        metadata=own,
    )
    settle = RateLimitServiceStub(backend.channel("ratelimit")).Commit(
        limits.CommitRequest(reservation=held.reservation, used=limits.Cost(output_tokens=amount)),
        timeout=DEADLINE,
        metadata=own,
    )
    await status_of(settle)
    assert await left(backend, own) <= before


async def test_more_text_than_is_searched_is_refused_by_who_searches(open_stack: Stack) -> None:
    backend = Backend(open_stack)
    own = await backend.proof(await backend.member())
    call = RedactionServiceStub(backend.channel("redaction")).Redact(
        redaction.RedactRequest(conversation="c", texts=["x " * 300_000, f"My SSN is {SSN}"]),
        timeout=DEADLINE,
        metadata=own,
    )
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_credential_at_all_is_no_caller(open_stack: Stack) -> None:
    backend = Backend(open_stack)
    for credential in (auth.Credential(), auth.Credential(api_key=""), auth.Credential(jwt="x" * 100_000)):
        request = pb.AdmitRequest(credential=credential, conversation="c", messages=[user("Hi")])
        try:
            assert not allowed(await backend.gateway.Admit(request, timeout=DEADLINE))
        except aio.AioRpcError as error:
            assert error.code() is not grpc.StatusCode.OK
