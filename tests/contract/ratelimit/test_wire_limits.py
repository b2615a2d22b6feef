"""Through the contract: tools and models, exact limits, what is in flight, extensions by id, grants, a new policy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from pydantic import SecretStr

from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessServer
from services.kit.keys import KeyRing
from services.kit.postgres import Database
from services.kit.run import run_background
from services.kit.server import Wiring, interceptor_of
from services.kit.txn_token import TokenVerifier
from services.ratelimit.adapters.overrides import PostgresOverrides
from services.ratelimit.bootstrap import build
from services.ratelimit.policy import Override
from services.ratelimit.settings import RateLimitSettings
from tests.contract.ratelimit.support import fresh, request_id
from tests.contract.ratelimit.test_wire import Service, no_peer
from tests.support.stores import DataStores
from tests.unit.kit.world import DOMAIN, ISSUER, Mint

POLICY = """
version: "{version}"
plans: [pro]
default_plan: pro
limits:
  - {{id: tool.minute, subject: tool, unit: requests, window: 60, algorithm: sliding, limit: 2, names: [mail.send]}}
  - {{id: model.minute, subject: model, unit: requests, window: 60, algorithm: sliding, limit: 3}}
  - {{id: brand.tokens, subject: brand, unit: tokens, window: week, zone: brand, algorithm: calendar, limit: 2000,
     exact: true}}
  - {{id: organisation.tokens, subject: organisation, unit: tokens, window: day, algorithm: calendar, limit: 1000,
     hold_permille: 100}}
  - {{id: organisation.flight, subject: organisation, unit: concurrency, window: live, algorithm: live,
     limit: {flight}}}
prices: {{version: p, unknown_model: {unknown}, models: {{gpt-4o: {{input: 1, output: 1}}}}}}
"""


def written(path: Path, version: str = "1", flight: int = 2, unknown: str = "conservative") -> None:
    path.write_text(POLICY.format(version=version, flight=flight, unknown=unknown))


@pytest_asyncio.fixture(loop_scope="session")
async def house(data_stores: DataStores, tmp_path: Path) -> AsyncIterator[tuple[Service, Path]]:
    mint, policy = Mint(), tmp_path / "ratelimit.yaml"
    written(policy)
    values: dict[str, Any] = {
        "ratelimit_policy": policy,
        "redis_url": SecretStr(data_stores.redis_url),
        "database_url": SecretStr(data_stores.service_dsn("ratelimit")),
        "ledger_entries": 0,  # grants only: the callers of these tests have no proof that a database would accept
        "store_timeout": 5,
    }
    settings = RateLimitSettings(**values)
    async with AsyncExitStack() as stack:
        app = await build(settings, Wiring(KeyRing(None, {}), no_peer, SystemClock(), stack))
        await run_background(stack, app)
        verifier = TokenVerifier(mint, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
        server = InProcessServer(interceptor_of(app, settings, verifier))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, server)
        yield Service(server, mint), policy


async def take(service: Service, token: Any, tool: str = "", model: str = "") -> pb.DecideResponse:
    cost = pb.Cost(requests=1, model=model)
    asked = pb.DecideRequest(mode=pb.MODE_TAKE, request_id=request_id(), cost=cost, tool=tool)
    answer: pb.DecideResponse = await service.stub().Decide(asked, metadata=token)
    return answer


async def test_a_tool_and_a_model_have_limits_of_their_own(house: tuple[Service, Path]) -> None:
    service, _ = house
    org = fresh("own")
    tokens = [service.token(org, user=f"user-{number}") for number in range(4)]
    sent = [(await take(service, token, tool="mail.send")).outcome for token in tokens[:3]]
    assert sent == [common.OUTCOME_ALLOW] * 2 + [common.OUTCOME_THROTTLE]
    assert (await take(service, tokens[3], tool="mail.read")).outcome == common.OUTCOME_ALLOW
    known = [(await take(service, token, model="gpt-4o")).outcome for token in tokens]
    assert known == [common.OUTCOME_ALLOW] * 3 + [common.OUTCOME_THROTTLE]
    # Made-up names of models are one model: each of them would be a fresh limit otherwise.
    unlisted = [(await take(service, token, model=f"gpt-{number}")).outcome for number, token in enumerate(tokens)]
    assert unlisted == [common.OUTCOME_ALLOW] * 3 + [common.OUTCOME_THROTTLE]


async def test_exact_clamped_and_in_flight_as_a_caller_sees_them(house: tuple[Service, Path]) -> None:
    service, _ = house
    token, stub = service.token(fresh("own")), service.stub()

    async def reserve() -> pb.DecideResponse:
        cost = pb.Cost(input_tokens=100, output_tokens=50, max_output_tokens=300, model="gpt-4o")
        asked = pb.DecideRequest(mode=pb.MODE_RESERVE, request_id=request_id(), cost=cost)
        answer: pb.DecideResponse = await stub.Decide(asked, metadata=token)
        return answer

    first = await reserve()
    shown = {status.id: status for status in first.limits}
    assert (shown["brand.tokens"].remaining, shown["brand.tokens"].clamped) == (1600, False)
    assert (shown["organisation.tokens"].remaining, shown["organisation.tokens"].clamped) == (900, True)
    assert shown["organisation.flight"].unit == pb.UNIT_CONCURRENCY
    more = pb.ExtendRequest(reservation=first.reservation, more=pb.Cost(output_tokens=40), request_id="part-1")
    for _ in range(2):
        extended = await stub.Extend(more, metadata=token)
        left = {status.id: status.remaining for status in extended.limits}
        assert (left["organisation.tokens"], left["brand.tokens"]) == (860, 1600)
        assert extended.policy_version == first.policy_version
    assert (await reserve()).outcome == common.OUTCOME_ALLOW
    third = await reserve()
    assert (third.outcome, third.reason) == (common.OUTCOME_THROTTLE, common.REASON_RATE_LIMITED)
    assert [status.id for status in third.limits if status.outcome != common.OUTCOME_ALLOW] == ["organisation.flight"]
    await stub.Release(pb.ReleaseRequest(reservation=first.reservation), metadata=token)
    assert (await reserve()).outcome == common.OUTCOME_ALLOW


async def until(condition: Any) -> None:
    for _ in range(100):
        if await condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not within ten seconds")


async def test_a_changed_policy_and_a_grant_are_taken_up_without_a_restart(
    house: tuple[Service, Path], data_stores: DataStores
) -> None:
    service, path = house
    org = fresh("own")
    token = service.token(org)

    async def flight() -> tuple[int, str]:
        shown = await service.stub().Inspect(pb.InspectRequest(), metadata=token)
        (limit,) = [status.limit for status in shown.limits if status.id == "organisation.flight"]
        return limit, shown.policy_version

    limit, version = await flight()
    assert (limit, version[:4]) == (2, "1/p/")
    path.write_text("limits: [")
    written(path, "2", 7, "deny")

    async def changed() -> bool:
        return (await flight())[0] == 7

    await until(changed)
    assert (await flight())[1][:4] == "2/p/"
    refused = await take(service, token, model="unheard-of")
    assert (refused.outcome, refused.reason) == (common.OUTCOME_DENY, common.REASON_UNKNOWN_MODEL)
    database = Database(data_stores.service_dsn("ratelimit"), max_size=1, acquire_seconds=5, statement_seconds=5)
    await database.open()
    elsewhere = PostgresOverrides(database, SystemClock())
    await elsewhere.grant(org, Override("organisation.flight", 9, int(time.time()) + 60), "operator/ada")
    await database.close()

    async def granted() -> bool:
        return (await flight())[0] == 9

    await until(granted)
    other = await service.stub().Inspect(pb.InspectRequest(), metadata=service.token(fresh("own")))
    assert [status.limit for status in other.limits if status.id == "organisation.flight"] == [7]
