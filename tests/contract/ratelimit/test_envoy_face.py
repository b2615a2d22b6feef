"""`ShouldRateLimit` through every layer and a real Redis: whose domain, what is counted, and what fails closed."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import yaml
from google.protobuf.wrappers_pb2 import UInt64Value
from grpc import aio
from hauberk.envoy.ratelimit.v3 import rls_pb2 as pb
from hauberk.envoy.ratelimit.v3 import rls_pb2_grpc as pb_grpc
from pydantic import SecretStr

from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyRing
from services.kit.redis import RedisStore
from services.kit.server import Wiring, interceptor_of
from services.ratelimit.bootstrap import build
from services.ratelimit.settings import DEFAULT_POLICY, RateLimitSettings
from tests.contract.ratelimit.support import fresh
from tests.support.fault_cases import Fault
from tests.support.store_proxy import StoreProxy
from tests.support.stores import DataStores, make_folder
from tests.support.waiting import eventually
from tests.unit.kit.world import DOMAIN

OK, OVER = pb.RateLimitResponse.OK, pb.RateLimitResponse.OVER_LIMIT
DAY = 86_400
RULES = {
    "rules": [
        {"match": ["address"], "limits": [{"id": "address", "window": 3600, "algorithm": "gcra", "limit": 3}]},
        {"match": ["user"], "limits": [{"id": "user", "window": DAY, "algorithm": "sliding", "limit": 10}]},
        {
            "match": ["tokens"],
            "settle": True,
            "limits": [{"id": "tokens", "window": DAY, "algorithm": "sliding", "limit": 100}],
        },
        {
            "match": ["watched"],
            "limits": [{"id": "watched", "window": DAY, "algorithm": "sliding", "limit": 1, "mode": "observe"}],
        },
    ]
}
POLICY = {"shop": RULES, "shop-b": RULES, "open": {**RULES, "unmatched": "allow"}}


class Face:
    """The service behind all its layers, and proxies that ask it."""

    def __init__(self, server: InProcessServer) -> None:
        self._server = server

    async def ask(self, *descriptors: Any, domain: str = "shop", workload: str = "", hits: int = 0) -> Any:
        channel: Any = InProcessChannel(self._server, f"spiffe://{DOMAIN}/{workload or f'envoy/{domain}'}")
        request = pb.RateLimitRequest(domain=domain, descriptors=descriptors, hits_addend=hits)
        return await pb_grpc.RateLimitServiceStub(channel).ShouldRateLimit(request)


def descriptor(*entries: tuple[str, str], hits: int | None = None) -> pb.RateLimitDescriptor:
    own = None if hits is None else UInt64Value(value=hits)
    return pb.RateLimitDescriptor(entries=[pb.Entry(key=k, value=v) for k, v in entries], hits_addend=own)


def codes(answer: Any) -> list[int]:
    return [answer.overall_code, *(status.code for status in answer.statuses)]


async def face_of(exits: AsyncExitStack, folder: Path, url: str, seconds: float) -> Face:
    document = yaml.safe_load(DEFAULT_POLICY.read_text())
    policy = folder / "ratelimit.yaml"
    policy.write_text(json.dumps(document | {"envoy": POLICY}))
    values: dict[str, Any] = {"ratelimit_policy": policy, "redis_url": SecretStr(url), "envoy_deadline": seconds}
    settings = RateLimitSettings(**values)
    app = await build(settings, Wiring(KeyRing(None, {}), lambda _: None, SystemClock(), exits))  # type: ignore[arg-type,return-value]
    server = InProcessServer(interceptor_of(app, settings, None))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    return Face(server)


@pytest_asyncio.fixture(loop_scope="session")
async def face(data_stores: DataStores, tmp_path: Path) -> AsyncIterator[Face]:
    async with AsyncExitStack() as exits:
        yield await face_of(exits, tmp_path, data_stores.redis_url, 5)


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    code: grpc.StatusCode = caught.value.code()
    return code


async def test_the_fourth_request_of_an_address_is_over_and_says_when_to_come_back(face: Face) -> None:
    one = descriptor(("address", fresh("address")))
    answers = [await face.ask(one) for _ in range(4)]
    assert [codes(answer) for answer in answers] == [[OK, OK]] * 3 + [[OVER, OVER]]
    assert [answer.statuses[0].limit_remaining for answer in answers] == [2, 1, 0, 0]
    last = answers[-1].statuses[0]
    assert last.current_limit.requests_per_unit == 3
    assert last.current_limit.unit == pb.RateLimitResponse.RateLimit.HOUR
    assert 0 < last.duration_until_reset.seconds <= 3600
    headers = {field.key: field.value for field in answers[-1].response_headers_to_add}
    assert headers["ratelimit-policy"] == '"address";q=3;w=3600'
    assert headers["ratelimit"].startswith('"address";r=0;t=')
    assert 1100 < int(headers["retry-after"]) <= 1200
    assert "retry-after" not in {field.key for field in answers[0].response_headers_to_add}


async def test_one_descriptor_over_charges_none(face: Face) -> None:
    address, user = descriptor(("address", fresh("address"))), descriptor(("user", fresh("user")))
    for _ in range(3):
        await face.ask(address)
    assert codes(await face.ask(user, address)) == [OVER, OK, OVER]
    assert (await face.ask(user)).statuses[0].limit_remaining == 9


async def test_hits_of_the_request_and_of_a_descriptor(face: Face) -> None:
    one, two = fresh("user"), fresh("user")
    answer = await face.ask(descriptor(("user", one)), descriptor(("user", two), hits=2), hits=7)
    assert [status.limit_remaining for status in answer.statuses] == [3, 8]
    assert codes(await face.ask(descriptor(("user", one)), hits=4)) == [OVER, OVER]
    assert codes(await face.ask(descriptor(("user", one)), hits=3)) == [OK, OK]


async def test_the_same_descriptor_twice_in_one_request_is_charged_twice(face: Face) -> None:
    user = descriptor(("user", fresh("user")))
    answer = await face.ask(user, user, hits=3)
    assert [status.limit_remaining for status in answer.statuses] == [4, 4]
    assert codes(await face.ask(user, user, hits=3)) == [OVER, OVER, OVER]


async def test_hits_of_zero_look_and_an_exhausted_limit_is_over(face: Face) -> None:
    name = fresh("user")
    look = descriptor(("user", name), hits=0)
    assert codes(await face.ask(look)) == [OK, OK]
    await face.ask(descriptor(("user", name)), hits=10)
    for _ in range(2):
        assert codes(await face.ask(look)) == [OVER, OVER]


async def test_more_than_the_limit_never_fits_and_names_no_time(face: Face) -> None:
    answer = await face.ask(descriptor(("user", fresh("user"))), hits=11)
    assert codes(answer) == [OVER, OVER]
    assert "retry-after" not in {field.key for field in answer.response_headers_to_add}


async def test_tokens_that_were_used_are_charged_beyond_the_limit(face: Face) -> None:
    name = fresh("tokens")
    assert codes(await face.ask(descriptor(("tokens", name), hits=0))) == [OK, OK]
    # The answer was longer than what was left: it has been produced, so it counts.
    assert codes(await face.ask(descriptor(("tokens", name), hits=250))) == [OK, OK]
    after = await face.ask(descriptor(("tokens", name), hits=0))
    assert codes(after) == [OVER, OVER]
    # 250 fall below 100 only in the next window.
    wait = {field.key: int(field.value) for field in after.response_headers_to_add if field.key == "retry-after"}
    assert wait["retry-after"] > DAY * 0.5


async def test_a_limit_that_only_observes_lets_pass(face: Face) -> None:
    watched = descriptor(("watched", fresh("watched")))
    assert [codes(await face.ask(watched)) for _ in range(3)] == [[OK, OK]] * 3


async def test_a_descriptor_without_a_rule_is_over_and_takes_nothing(face: Face) -> None:
    user = descriptor(("user", fresh("user")))
    assert codes(await face.ask(user, descriptor(("unknown", "x")))) == [OVER, OK, OVER]
    assert (await face.ask(user)).statuses[0].limit_remaining == 9
    assert codes(await face.ask(descriptor(("unknown", "x")), domain="open")) == [OK, OK]


async def test_domains_do_not_share_counters(face: Face) -> None:
    user = descriptor(("user", fresh("user")))
    await face.ask(user, hits=10)
    assert codes(await face.ask(user, domain="shop-b")) == [OK, OK]


async def test_parallel_requests_never_pass_more_than_the_limit(face: Face) -> None:
    user = descriptor(("user", fresh("user")))
    answers = await asyncio.gather(*(face.ask(user) for _ in range(40)))
    assert sum(answer.overall_code == OK for answer in answers) == 10


@pytest.mark.parametrize(
    "workload",
    ["envoy/shop-b", "envoy", "envoy/", "envoy/shop/x", "envoy/SHOP", "envoy/shop%2f", "envoy/shop "],
)
async def test_a_certificate_for_another_domain_is_refused(face: Face, workload: str) -> None:
    call = face.ask(descriptor(("user", "ada")), workload=workload)
    assert await refused(call) is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("workload", ["gateway", "backend/shop", "operator", "ratelimit", "envoys/shop", "shop"])
async def test_only_an_envoy_may_ask(face: Face, workload: str) -> None:
    call = face.ask(descriptor(("user", "ada")), workload=workload)
    assert await refused(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_an_unknown_domain_looks_like_a_foreign_one(face: Face) -> None:
    for domain in ("nowhere", "acme", "shop}:{x"):
        assert await refused(face.ask(descriptor(("user", "ada")), domain=domain)) is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "descriptors",
    [
        [],
        [pb.RateLimitDescriptor()],
        [descriptor(("", "x"))],
        [descriptor(("user", "x" * 4097))],
        [descriptor(*[("user", "x")] * 17)],
        [descriptor(("user", "x"), hits=10**9 + 1)],
        [descriptor(("user", "x"))] * 33,
    ],
)
async def test_a_request_out_of_bounds_is_refused(face: Face, descriptors: list[Any]) -> None:
    assert await refused(face.ask(*descriptors)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_one_round_trip_and_no_value_in_a_key(face: Face, redis: RedisStore) -> None:
    name = fresh("someone@example.com")
    before = {key async for key in redis.client.scan_iter("hk:ratelimit:{envoy:*")}
    await face.ask(descriptor(("user", name)), descriptor(("address", name)))
    made = {key async for key in redis.client.scan_iter("hk:ratelimit:{envoy:*")} - before
    assert len(made) == 2
    for key in made:
        assert b"example" not in key and key.startswith(b"hk:ratelimit:{envoy:shop}:")
        client: Any = redis.client
        assert 0 < await client.pttl(key) <= 2 * DAY * 1000 + 60_000


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.REFUSED, Fault.ERROR])
async def test_without_redis_it_answers_in_time_with_an_error(
    data_stores: DataStores, tmp_path: Path, fault: Fault
) -> None:
    base = make_folder()
    upstream = data_stores.redis.socket
    proxy = StoreProxy("redis", base / "redis.sock", lambda: upstream)
    await proxy.start()
    async with AsyncExitStack() as exits:
        exits.callback(shutil.rmtree, base, ignore_errors=True)
        exits.push_async_callback(proxy.stop)
        url = data_stores.redis_url.replace(str(upstream), str(proxy.path))
        patient, face = await face_of(exits, tmp_path, url, 5), await face_of(exits, tmp_path, url, 0.02)
        user = descriptor(("user", fresh("user")))
        assert codes(await patient.ask(user)) == [OK, OK]
        with proxy.broken(fault):
            taken = []
            for _ in range(5):
                started = time.perf_counter()
                assert await refused(face.ask(user)) is grpc.StatusCode.UNAVAILABLE
                taken.append(time.perf_counter() - started)
            assert min(taken) < 0.04, "20 ms, and what a busy machine adds"

        async def again() -> bool:
            try:
                return codes(await patient.ask(user)) == [OK, OK]
            except aio.AioRpcError:
                return False

        assert await eventually(again), "Redis was not found again"
