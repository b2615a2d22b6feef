"""Tool calls at random against the table of who may do what; `python -m bench toolcalls` does thousands."""

from __future__ import annotations

from collections import Counter

import psycopg
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb

from bench.toolcalls import judged
from bench.toolcalls_cases import case
from bench.toolcalls_house import ORGANISATIONS, filling, registrations
from services.kit.validation import violations_of
from tests.contract.guardrail.world import World

CASES = 160


async def test_outcome_and_reason_are_the_tables(world: World) -> None:
    with psycopg.connect(world.stores.admin_dsn, autocommit=True) as admin:
        for organisation in ORGANISATIONS:
            admin.execute(filling(organisation).encode())
    for organisation in ORGANISATIONS:
        for tool in registrations(organisation):
            await world.ask("PutTool", tool, organisation)
    found: Counter[str] = Counter()
    for seed in range(1_000_000, 1_000_000 + CASES):
        made = case(seed)
        if violations_of(pb.CheckToolCallRequest(tool=made.tool, arguments_json=made.text)):
            continue
        found += judged(made, await world.call(made.organisation, made.tool, made.text, user=made.user))
    assert (found["wrong"], found["crossed"], found["undeclared"], found["bytes"]) == (0, 0, 0, 0)
    assert found["allowed"] > CASES / 10 and found["refused"] > CASES / 4, "cases of both kinds"
