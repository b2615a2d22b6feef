"""Two hundred streams at once, cut into random pieces, left by clients and abandoned by models at random: no hold is
left over, nobody is shown half a placeholder or another's value, and every answer is on record."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from grpc import aio
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.ratelimit.v1.ratelimit_service_pb2_grpc import RateLimitServiceStub
from redis.asyncio import Redis

from embedded.stack import Stack
from services.kit.settings import ServiceSettings
from tests.support.altered import altered_stack, with_settings
from tests.support.backend import DEADLINE, Backend, allowed, fresh
from tests.support.waiting import eventually

STREAMS = 200
USERS = 20
AT_ONCE = 8  # admissions: what is tried here are the streams
HOLD = 12.0  # seconds: what nobody could settle ends by its own rule within the test
ENDINGS = ("whole", "whole", "half", "leaves", "leaves at once", "fails")
# A beginning of a placeholder that is not one must come out too, and a whole one must not.
HALF = re.compile(r"<(?:U|US|US_|US_S|US_SS|US_SSN|US_SSN_\d*)(?![A-Z0-9_>])|<US_SSN(?:_\d+)?>")


@dataclass
class Streamed:
    """What one client saw."""

    ending: str
    ssn: str
    txn: str
    text: str = ""
    shown: str = ""
    result: pb.CompleteResponse | None = None
    error: str = ""
    sent: str = ""
    whole: bool = False


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def short_holds() -> AsyncIterator[Stack]:
    def change(_: str, own: ServiceSettings) -> dict[str, object]:
        return {"hold_seconds": HOLD} if "hold_seconds" in type(own).model_fields else {}

    async with altered_stack(with_settings(change)) as stack:
        yield stack


def story(chance: random.Random) -> str:
    """An answer with placeholders everywhere, some of them at block borders."""
    words = ["Dear customer, ", "your number is <US_SSN>. ", "as agreed ", "(<US_SSN>) ", "see page 4.\n", "a < b. "]
    return "".join(chance.choices(words, k=chance.randint(5, 120))) + "Ends with <US_SSN>"


def pieces(text: str, chance: random.Random) -> list[str]:
    found = []
    while text:
        size = chance.choice((1, 2, 3, 7, 30, 200))
        found.append(text[:size])
        text = text[size:]
    return found


@dataclass(frozen=True)
class Admitted:
    """What one client begins with."""

    number: int
    ssn: str
    answer: pb.AdmitResponse


async def admit(backend: Backend, credential: auth.Credential, number: int) -> Admitted:
    ssn = f"{457 + number // 100:03}-{10 + number % 80:02}-{1000 + number:04}"
    for _ in range(3):  # a busy machine spends a deadline now and then, and says so
        answer = await backend.admit(credential, f"My SSN is {ssn}", conversation=fresh("stream"))
        if answer.reason not in (decision.REASON_STAGE_UNAVAILABLE, decision.REASON_DEADLINE_SPENT):
            break
    assert allowed(answer), answer
    assert "<US_SSN>" in answer.messages[0].text, "else there is nothing to restore"
    return Admitted(number, ssn, answer)


async def one(backend: Backend, own: Admitted) -> Streamed:
    admitted, chance = own.answer, random.Random(own.number)
    ending = ENDINGS[own.number % len(ENDINGS)]
    seen = Streamed(ending, own.ssn, admitted.txn, story(chance))
    cut = pieces(seen.text, chance)
    stop = chance.randrange(1, max(2, len(cut))) if ending in ("half", "leaves", "fails") else len(cut)
    seen.sent = "".join(cut[:stop])

    async def sent() -> AsyncIterator[pb.CompleteStreamRequest]:
        yield pb.CompleteStreamRequest(admission=admitted.admission)
        for piece in cut[:stop]:
            yield pb.CompleteStreamRequest(chunk=piece)
            if chance.random() < 0.05:
                await asyncio.sleep(chance.random() * 0.02)
        if ending == "leaves":  # without a word: neither an end of the text nor a half-close
            await asyncio.sleep(60)
        if ending == "fails":  # the model broke off: the backend's own iterator raises
            await asyncio.sleep(chance.random() * 2)
            raise RuntimeError("the model went away")

    call = backend.gateway.CompleteStream(sent(), timeout=15)
    if ending == "leaves":
        asyncio.get_running_loop().call_later(chance.random() * 2, call.cancel)
    try:
        if ending == "leaves at once":
            await asyncio.sleep(chance.random() * 0.01)
            call.cancel()
        async for answer in call:
            seen.shown += answer.chunk
            if answer.HasField("result"):
                seen.result = answer.result
        seen.whole = seen.result is not None
    except aio.AioRpcError as error:
        seen.error = error.code().name
    except (asyncio.CancelledError, RuntimeError):
        seen.error = "CANCELLED"
    return seen


async def live_holds(raw: Redis, txns: set[str]) -> set[str]:
    """Reservations of these requests that are neither settled nor over."""
    client: Any = raw
    seconds, micros = await client.time()
    rows = await client.zrangebyscore("hk:ratelimit:{acme}:hx", seconds * 1_000_000 + micros, "+inf")
    return {row.decode().rpartition(":h:")[2] for row in rows} & txns


async def recorded(backend: Backend, code: str) -> Counter[str]:
    """Events with this code, by transaction."""
    found: Counter[str] = Counter()
    page = ""
    stub, own = AuditServiceStub(backend.channel("audit")), await backend.administer()
    while True:
        asked = audit.QueryRequest(page_size=200, page_token=page)
        got = await stub.Query(asked, timeout=DEADLINE, metadata=own)
        found.update(event.txn for event in got.events if event.code == code)
        page = got.next_page_token
        if not page:
            return found


def check(each: Streamed) -> None:
    """What was shown is the beginning of the owner's answer; all of it when it was ended in order."""
    if each.whole:
        assert each.result is not None
        assert allowed(each.result), each.result
    if each.ending in ("whole", "half"):
        # A model that stops in the middle of a placeholder has written no placeholder: its words come as they are.
        assert (each.error, each.shown) == ("", each.sent.replace("<US_SSN>", each.ssn))
        return
    assert each.text.replace("<US_SSN>", each.ssn).startswith(each.shown), f"{each.ending}: {each.shown[-60:]!r}"
    assert not HALF.search(each.shown), each.shown[-60:]


async def test_nothing_is_left_over(short_holds: Stack, record_property: Callable[[str, object], None]) -> None:
    backend = Backend(short_holds)
    people = [await backend.member() for _ in range(USERS)]
    admitted: list[Admitted] = []
    for start in range(0, STREAMS, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, STREAMS))
        admitted += await asyncio.gather(*(admit(backend, people[number % USERS], number) for number in numbers))
    began = time.monotonic()
    seen = await asyncio.gather(*(one(backend, own) for own in admitted))
    took = time.monotonic() - began

    for each in seen:
        check(each)

    txns = {each.txn for each in seen}
    raw = Redis.from_url(short_holds.stores.redis.url)
    try:

        async def none_left() -> bool:
            return not await live_holds(raw, txns)

        await asyncio.sleep(1.0)
        at_once = await live_holds(raw, txns)
        assert not at_once & {each.txn for each in seen if each.whole}, "what was ended in order is settled by then"
        assert await eventually(none_left, HOLD + 4.0)
        # Decisions of the organisation reap what ended by its own rule, a few holds each.
        stub, own = RateLimitServiceStub(backend.channel("ratelimit")), await backend.administer()
        for _ in range(STREAMS // 8 + 1):
            asked = limits.DecideRequest(mode=limits.MODE_TAKE, request_id=fresh("reap"), cost=limits.Cost())
            await stub.Decide(asked, timeout=DEADLINE, metadata=own)
        left = {name for name in txns if await raw.zscore("hk:ratelimit:{acme}:hx", f"hk:ratelimit:{{acme}}:h:{name}")}
    finally:
        await raw.aclose()
    assert left == set()

    async def all_recorded() -> bool:
        admitted = await recorded(backend, "gateway.admit")
        return txns <= admitted.keys()

    assert await eventually(all_recorded), "an acknowledged request is on record"
    completed = await recorded(backend, "gateway.complete")
    streamed = await recorded(backend, "gateway.complete_stream")
    missing = {each.txn for each in seen if each.whole} - completed.keys() - streamed.keys()
    assert missing == set(), "an acknowledged answer is on record"
    assert all(count == 1 for count in (completed + streamed).values())
    endings = dict(Counter(f"{each.ending}: {each.error or 'result'}" for each in seen))
    record_property(
        "figures",
        f"{STREAMS} streams in {took:.1f} s; {endings}; "
        f"{len(at_once)} holds (of clients that were gone before anything was asked) left to end by their own rule",
    )
