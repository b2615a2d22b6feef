"""The service as its callers meet it: through the contract, the layers and a real Redis."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc
from pydantic import SecretStr

from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyRing
from services.kit.server import Wiring, interceptor_of
from services.kit.txn_token import TokenVerifier
from services.ratelimit.bootstrap import build
from services.ratelimit.settings import DEFAULT_POLICY, RateLimitSettings
from tests.contract.ratelimit.support import fresh, request_id
from tests.support.stores import DataStores
from tests.unit.kit.world import DOMAIN, ISSUER, SHOP, Mint

ADDRESS_LIMIT = 5  # 10 000 by default, which is slow to reach here


def no_peer(_: str) -> Any:
    raise AssertionError("ratelimit calls no peer")


class Service:
    """The served application, and callers of it."""

    def __init__(self, server: InProcessServer, mint: Mint) -> None:
        self._server = server
        self._mint = mint

    def stub(self, workload: str = SHOP) -> Any:
        channel: Any = InProcessChannel(self._server, f"spiffe://{DOMAIN}/{workload}")
        return pb_grpc.RateLimitServiceStub(channel)

    def token(self, tenant: str, user: str = "ada", plan: str = "pro", workload: str = SHOP, key: str = "") -> Any:
        cid = key or f"key_{secrets.token_hex(8)}"
        facts = {"plan": plan, "zone": "UTC", "since": 0}
        return [("txn-token", self._mint.token(tenant=tenant, sub=user, cid=cid, tctx=facts, workload=workload))]

    async def decide(self, token: Any, mode: pb.Mode.ValueType = pb.MODE_TAKE, **cost: Any) -> pb.DecideResponse:
        asked = pb.DecideRequest(mode=mode, request_id=request_id(), cost=pb.Cost(**({"requests": 1} | cost)))
        answer: pb.DecideResponse = await self.stub().Decide(asked, metadata=token)
        return answer


@pytest_asyncio.fixture(loop_scope="session")
async def service(data_stores: DataStores, tmp_path: Path) -> AsyncIterator[Service]:
    mint = Mint()
    text = DEFAULT_POLICY.read_text()
    assert text.count("limit: 10000,") == 1
    policy = tmp_path / "ratelimit.yaml"
    policy.write_text(text.replace("limit: 10000,", f"limit: {ADDRESS_LIMIT},"))
    values: dict[str, Any] = {
        "ratelimit_policy": policy,
        "redis_url": SecretStr(data_stores.redis_url),
        "store_timeout": 5,
    }
    settings = RateLimitSettings(**values)
    async with AsyncExitStack() as stack:
        app = await build(settings, Wiring(KeyRing(None, {}), no_peer, SystemClock(), stack))
        verifier = TokenVerifier(mint, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
        server = InProcessServer(interceptor_of(app, settings, verifier))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, server)
        yield Service(server, mint)


async def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_the_16th_message_is_throttled_with_the_time_to_retry(service: Service) -> None:
    token = service.token(fresh("wire"))
    answers = [await service.decide(token) for _ in range(16)]
    assert [a.outcome for a in answers] == [common.OUTCOME_ALLOW] * 15 + [common.OUTCOME_THROTTLE]
    last = answers[-1]
    assert last.reason == common.REASON_RATE_LIMITED
    assert 0 < last.retry_after.seconds <= 65
    failing = [status for status in last.limits if status.outcome != common.OUTCOME_ALLOW]
    assert [status.id for status in failing] == ["user_brand.messages.minute"]
    assert (failing[0].limit, failing[0].remaining) == (15, 0)
    assert failing[0].retry_after == last.retry_after


async def test_a_free_key_gets_ten_a_minute(service: Service) -> None:
    org, key = fresh("wire"), "key_0123456789abcdef"
    outcomes = []
    for number in range(11):
        answer = await service.decide(service.token(org, user=f"user-{number}", plan="free", key=key))
        outcomes.append(answer.outcome)
    assert outcomes == [common.OUTCOME_ALLOW] * 10 + [common.OUTCOME_THROTTLE]


async def test_an_unknown_plan_is_treated_as_the_smallest(service: Service) -> None:
    answer = await service.decide(service.token(fresh("wire"), plan="platinum"))
    assert answer.limits[0].limit == 10


async def test_an_overspent_day_is_refused_until_midnight(service: Service) -> None:
    org = fresh("wire")
    for user in ("ada", "bob"):
        spent = await service.decide(
            service.token(org, user=user, plan="free"), input_tokens=30_000, output_tokens=20_000, model="claude-opus"
        )
    # 1.95 dollars each: a third request of this size passes 5 dollars.
    assert spent.micro_usd == 1_950_000
    refused = await service.decide(
        service.token(org, user="eve", plan="free"), output_tokens=20_000, model="unheard-of"
    )
    assert (refused.outcome, refused.reason) == (common.OUTCOME_THROTTLE, common.REASON_BUDGET_EXHAUSTED)
    assert [s.id for s in refused.limits if s.outcome != common.OUTCOME_ALLOW] == ["organisation.money.day"]
    assert refused.limits[-1].resets_at.seconds % 86_400 == 0


async def test_more_than_a_whole_day_of_tokens_never_fits(service: Service) -> None:
    refused = await service.decide(service.token(fresh("wire")), input_tokens=50_001)
    assert (refused.outcome, refused.reason) == (common.OUTCOME_DENY, common.REASON_NEVER_FITS)
    assert not refused.HasField("retry_after")


async def test_reserve_extend_commit_release(service: Service) -> None:
    token, stub = service.token(fresh("wire")), service.stub()
    held = await service.decide(token, pb.MODE_RESERVE, input_tokens=1000, output_tokens=1000, model="gpt-4o")
    assert held.outcome == common.OUTCOME_ALLOW
    assert held.reservation
    more = pb.ExtendRequest(
        reservation=held.reservation, more=pb.Cost(output_tokens=500), hold_ttl=Duration(seconds=900)
    )
    extended = await stub.Extend(more, metadata=token)
    assert extended.outcome == common.OUTCOME_ALLOW
    assert extended.reservation_expires_at.seconds > held.reservation_expires_at.seconds
    commit = pb.CommitRequest(reservation=held.reservation, used=pb.Cost(input_tokens=1000, output_tokens=100))
    done = await stub.Commit(commit, metadata=token)
    assert (done.settlement, done.micro_usd) == (pb.SETTLEMENT_APPLIED, 3500)
    again = await stub.Commit(commit, metadata=token)
    assert (again.settlement, again.micro_usd) == (pb.SETTLEMENT_ALREADY, 3500)
    release = await stub.Release(pb.ReleaseRequest(reservation=held.reservation), metadata=token)
    assert release.settlement == pb.SETTLEMENT_ALREADY
    shown = await stub.Inspect(pb.InspectRequest(), metadata=token)
    left = {status.id: status.remaining for status in shown.limits}
    assert left["user_brand.tokens.day"] == 50_000 - 1100
    assert left["user_brand.messages.minute"] == 14


async def test_a_reservation_is_out_of_reach_of_others(service: Service) -> None:
    org = fresh("wire")
    held = await service.decide(service.token(org), pb.MODE_RESERVE, input_tokens=10)
    commit = pb.CommitRequest(reservation=held.reservation, used=pb.Cost())
    other_workload = service.token(org, workload="backend/other")
    answer = await service.stub("backend/other").Commit(commit, metadata=other_workload)
    assert answer.settlement == pb.SETTLEMENT_NOT_FOUND
    answer = await service.stub().Commit(commit, metadata=service.token(fresh("wire")))
    assert answer.settlement == pb.SETTLEMENT_NOT_FOUND
    extend = pb.ExtendRequest(reservation=held.reservation, more=pb.Cost(output_tokens=1))
    refused = service.stub("backend/other").Extend(extend, metadata=other_workload)
    assert await status_of(refused) is grpc.StatusCode.NOT_FOUND


async def test_a_request_id_is_not_a_ticket_for_another_request(service: Service) -> None:
    token, stub = service.token(fresh("wire")), service.stub()
    asked = pb.DecideRequest(mode=pb.MODE_TAKE, request_id=request_id(), cost=pb.Cost(requests=1))
    await stub.Decide(asked, metadata=token)
    asked.cost.input_tokens = 5
    assert await status_of(stub.Decide(asked, metadata=token)) is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("workload", ["auth", "audit", "redaction", "operator", "guardrail"])
async def test_workloads_outside_the_matrix_are_refused(service: Service, workload: str) -> None:
    stub, token = service.stub(workload), service.token(fresh("wire"), workload=workload)
    asked = pb.DecideRequest(mode=pb.MODE_TAKE, request_id=request_id(), cost=pb.Cost(requests=1))
    assert await status_of(stub.Decide(asked, metadata=token)) is grpc.StatusCode.PERMISSION_DENIED
    address = pb.DecideAddressRequest(client_address="192.0.2.1")
    assert await status_of(stub.DecideAddress(address)) is grpc.StatusCode.PERMISSION_DENIED


async def test_without_a_token_nothing_is_decided(service: Service) -> None:
    asked = pb.DecideRequest(mode=pb.MODE_TAKE, request_id=request_id(), cost=pb.Cost(requests=1))
    assert await status_of(service.stub().Decide(asked)) is grpc.StatusCode.UNAUTHENTICATED
    assert await status_of(service.stub().Inspect(pb.InspectRequest())) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "wrong",
    [
        pb.DecideRequest(request_id="request-1", cost=pb.Cost(requests=1)),
        pb.DecideRequest(mode=pb.MODE_TAKE, cost=pb.Cost(requests=1)),
        pb.DecideRequest(mode=pb.MODE_TAKE, request_id="a b c d e f", cost=pb.Cost(requests=1)),
        pb.DecideRequest(mode=pb.MODE_TAKE, request_id="request-1"),
        pb.DecideRequest(mode=pb.MODE_TAKE, request_id="request-1", cost=pb.Cost(requests=-1)),
        pb.DecideRequest(mode=pb.MODE_TAKE, request_id="request-1", cost=pb.Cost(input_tokens=10**9)),
    ],
)
async def test_what_breaks_the_contract_is_refused(service: Service, wrong: pb.DecideRequest) -> None:
    call = service.stub().Decide(wrong, metadata=service.token(fresh("wire")))
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_address_over_its_limit_meets_a_challenge_and_its_64_with_it(service: Service) -> None:
    stub = service.stub("gateway")
    network = f"2001:db8:{secrets.randbelow(65535):x}:{secrets.randbelow(65536):x}:"
    answers = []
    for number in range(ADDRESS_LIMIT + 1):
        answers.append(await stub.DecideAddress(pb.DecideAddressRequest(client_address=f"{network}:{number:x}")))
    assert [a.outcome for a in answers] == [common.OUTCOME_ALLOW] * ADDRESS_LIMIT + [common.OUTCOME_CHALLENGE]
    assert answers[-1].reason == common.REASON_ADDRESS_OVER_LIMIT
    assert answers[-1].retry_after.seconds >= 10
    other = await stub.DecideAddress(pb.DecideAddressRequest(client_address="2001:db8:ffff:ffff::1"))
    assert other.outcome == common.OUTCOME_ALLOW
