"""`toolcalls`: tool calls at random, held against a table of who may do what, through the real services.

`wrong` counts answers whose outcome or reason is not the table's, `crossed` allowed calls that name what only another
organisation has, `undeclared` allowed calls with an argument that no schema knows, `bytes` allowed calls that did not
come back byte for byte with their digest. All must be 0. Ids, organisations, types and spellings are varied: case,
white space, look-alike letters, percent and Unicode escapes, leading zeros, paths, wrong types, doubled keys. The
time is of one call with tenancy, PostgreSQL and every layer, eight at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Iterator

import grpc
from hauberk.common.v1 import decision_pb2 as common
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from bench.rows import Row, row
from bench.toolcalls_cases import Case, case
from bench.toolcalls_house import ToolHouse, opened

AT_ONCE = 8


async def run(small: bool) -> list[Row]:
    """One row."""
    n = 300 if small else 12_000
    taken: list[float] = []
    found: Counter[str] = Counter(dict.fromkeys(("wrong", "crossed", "undeclared", "bytes", "allowed", "refused"), 0))
    async with opened() as house:
        seeds = iter(range(n))
        await asyncio.gather(*(_asked(house, seeds, taken, found) for _ in range(AT_ONCE)))
    return [row(f"{n} calls against a table", taken, **found)]


async def _asked(house: ToolHouse, seeds: Iterator[int], taken: list[float], found: Counter[str]) -> None:
    for seed in seeds:
        made = case(seed)
        started = time.perf_counter()
        answer = await _answer(house, made)
        taken.append(time.perf_counter() - started)
        found.update(judged(made, answer))


def judged(made: Case, answer: pb.CheckToolCallResponse) -> Counter[str]:
    """What there is to say against the answer, and which it was."""
    allowed = answer.outcome == common.OUTCOME_ALLOW
    digest = hashlib.sha256(made.text.encode()).hexdigest() if allowed else ""
    return Counter(
        wrong=int((answer.outcome, answer.reason) != made.expected),
        crossed=int(allowed and made.crosses),
        undeclared=int(allowed and made.extra),
        bytes=int((answer.arguments_json, answer.arguments_sha256) != (made.text if allowed else "", digest)),
        allowed=int(allowed),
        refused=int(not allowed),
    )


async def _answer(house: ToolHouse, made: Case) -> pb.CheckToolCallResponse:
    """A name that the contract does not take is as good as a tool that is not there."""
    request = pb.CheckToolCallRequest(tool=made.tool, arguments_json=made.text)
    try:
        return await house.call(made.organisation, made.user, request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return pb.CheckToolCallResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_NOT_PERMITTED)
