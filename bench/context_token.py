"""`context_token`: one `Issue` and one `Redeem` of a single-use token, in turns with `echo`.

Context-token and tenancy as in the embedded stack (joined without a socket, behind every layer, real stores). `issue`
asks tenancy for the permission, seals the body, keeps it and signs; `redeem` verifies, takes it in one script and
opens it. `redeem, all at once` is one token presented by as many consumers at the same moment: more than one success
ends the run. `sign, all at once` tells how late the event loop is while that many signatures are made beside it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Sequence
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1.context_token_service_pb2_grpc import ContextTokenServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from bench import echo
from bench.rows import Row, row
from bench.stacks import folder
from cli.latency import percentile
from embedded.stack import Stack, StackOptions
from services.context_token.adapters.signing import KeySigner
from services.kit.keys import KeyRing
from services.kit.txn_token import METADATA_KEY

TARGET = "billing"
BODY = b"x" * 1024
BATCH = 40  # below the most live tokens of one user
CROWD = 1000
WORKLOAD = "backend/demo"
TICK = 0.001


async def run(small: bool) -> list[Row]:
    """One row for each case."""
    batches = 5 if small else 50
    async with folder() as place, Stack.running(place, StackOptions()) as stack, echo.running() as yardstick:
        desk = await _Desk.of(stack)
        await desk.batch()
        issued, redeemed, plain = [], [], []
        for _ in range(batches):
            plain += await yardstick.times(BATCH)
            one, other = await desk.batch()
            issued += one
            redeemed += other
        base = statistics.median(plain) * 1000
        rows = [row("issue", issued), row("redeem", redeemed)]
        for found in rows:
            found.update(ratio_to_echo=round(found["p50_ms"] / base, 2), echo_p50_ms=round(base, 4))
        return [*rows, await desk.crowd(), await _signing(KeySigner(KeyRing(stack.layout.keys)))]


class _Desk:
    """Who issues and who redeems, with a fresh proof for each batch: it lives for a minute."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._giver = ContextTokenServiceStub(stack.inprocess("context-token", WORKLOAD))
        self._taker = ContextTokenServiceStub(stack.inprocess("context-token", "auth"))

    @classmethod
    async def of(cls, stack: Stack) -> _Desk:
        """With a second brand to hand over to."""
        desk = cls(stack)
        brand = tenancy.PutBrandRequest(brand=tenancy.Brand(brand=TARGET, zone="UTC"))
        directory = TenancyServiceStub(stack.inprocess("tenancy", WORKLOAD))
        await directory.PutBrand(brand, timeout=5, metadata=await desk.proof())
        return desk

    async def proof(self) -> tuple[tuple[str, str], ...]:
        """The metadata of the first administrator's calls."""
        asked = auth.AuthenticateRequest(
            credential=auth.Credential(api_key=self._stack.api_key), brand=self._stack.brand, on_behalf_of=WORKLOAD
        )
        answer = await AuthServiceStub(self._stack.inprocess("auth", "gateway")).Authenticate(asked, timeout=5)
        return ((METADATA_KEY, answer.txn_token),)

    async def issue(self, proof: Sequence[tuple[str, str]]) -> str:
        """A single-use token."""
        asked = pb.IssueRequest(target_brand=TARGET, body=BODY, single_use=True)
        answer = await self._giver.Issue(asked, timeout=5, metadata=tuple(proof))
        if answer.outcome != common.OUTCOME_ALLOW:
            raise RuntimeError("no token was issued; the figures would mislead")
        return str(answer.context_token)

    async def redeem(self, token: str, consumer: str = WORKLOAD) -> bool:
        """Whether its body was given."""
        asked = pb.RedeemRequest(context_token=token, consumer=consumer, brand=TARGET)
        answer = await self._taker.Redeem(asked, timeout=30)
        return bool(answer.outcome == common.OUTCOME_ALLOW and answer.body == BODY)

    async def batch(self) -> tuple[list[float], list[float]]:
        """Seconds of as many issues, and of the redeems that make room for the next batch."""
        proof = await self.proof()
        tokens, issued, redeemed = [], [], []
        for _ in range(BATCH):
            started = time.perf_counter()
            tokens.append(await self.issue(proof))
            issued.append(time.perf_counter() - started)
        for token in tokens:
            started = time.perf_counter()
            if not await self.redeem(token):
                raise RuntimeError("a good token was refused; the figures would mislead")
            redeemed.append(time.perf_counter() - started)
        return issued, redeemed

    async def crowd(self) -> Row:
        """One token, many consumers at the same moment."""
        token = await self.issue(await self.proof())
        answers = await asyncio.gather(*(_timed(self.redeem(token, f"backend/b{n}")) for n in range(CROWD)))
        won = sum(given for given, _ in answers)
        if won != 1:
            raise RuntimeError(f"a single-use token was redeemed {won} times")
        return row("redeem, all at once", [taken for _, taken in answers], successes=won)


async def _timed(work: Awaitable[Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return await work, time.perf_counter() - started


async def _signing(signer: KeySigner) -> Row:
    """How late a timer of a millisecond is while signatures are made."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(TICK)
            late.append((time.perf_counter() - started - TICK) * 1000)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(TICK * 10)
    late.clear()
    claims = {"ctx": "x" * 600}
    signed = await asyncio.gather(*(_timed(signer.sign(claims)) for _ in range(CROWD)))
    watching.cancel()
    signer.close()
    figures = {"loop_late_p50_ms": percentile(late, 0.5), "loop_late_p99_ms": percentile(late, 0.99)}
    return row("sign, all at once", [taken for _, taken in signed], **{k: round(v, 2) for k, v in figures.items()})
