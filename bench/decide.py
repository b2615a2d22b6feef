"""`decide`: one `Decide` of the rate-limit service with all its layers, over a real Redis, in turns with `echo`.

The service is joined without a socket, as in the embedded stack; callers are 1 000 users of 10 organisations. Budgets
are written down in PostgreSQL meanwhile, as in production; `no ledger` says what that costs. `round_trips` is per
decision, `redis_us` the time that Redis spent in scripts for each (those of the ledger with it), `per_redis_core` how
many of them one core of Redis could serve by the processor time that the server says it used. Then the limiter alone,
for 1 to 100 000 subjects and beside two libraries: `bench.limiters`.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import grpc
import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from grpc import aio
from hauberk.common.v1 import decision_pb2 as common
from hauberk.envoy.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc

from bench import echo, limiters
from bench.decide_servers import KID, postgres, redis_server, written_down
from bench.harness import interleaved
from bench.rows import Row
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.org_proof import mint
from services.kit.redis import RedisStore
from services.kit.server import interceptor_of
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.ratelimit.bootstrap import application
from services.ratelimit.bootstrap.ledger import Durable
from services.ratelimit.policy import PolicyDocument, parse_policy
from services.ratelimit.settings import DEFAULT_POLICY, RateLimitSettings

CASES = (
    (pb.MODE_TAKE, 1),
    (pb.MODE_TAKE, 8),
    (pb.MODE_TAKE, 32),
    (pb.MODE_PEEK, 8),
    (pb.MODE_RESERVE, 8),
)
USERS = 1000
WARM_UP = 300
DOMAIN = "hauberk.local"
ISSUER = f"https://auth.{DOMAIN}"
_HUGE = 10**12
# What one tenant's request meets: the key, user and brand, the organisation.
_SHAPES: tuple[tuple[str, str, int | str, str, int], ...] = (
    ("user_brand", "requests", 60, "sliding", 10**9),
    ("api_key", "requests", 60, "gcra", 500_000),
    ("api_key", "requests", "month", "calendar", _HUGE),
    ("user_brand", "requests", 3600, "sliding", 10**8),
    ("user_brand", "tokens", "day", "calendar", _HUGE),
    ("user_brand", "tokens", "month", "calendar", _HUGE),
    ("organisation", "micro_usd", "day", "calendar", _HUGE),
    ("organisation", "micro_usd", "month", "calendar", _HUGE),
)


class _Keys:
    """Stands for auth's key set."""

    def __init__(self) -> None:
        self.generation = 0
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.org_key = os.urandom(32)

    def find(self, _: str) -> Any | None:
        return self.private.public_key()

    def token(self, number: int) -> str:
        now = int(time.time())
        caller = Caller(
            organisation=f"org-{number % 10}",
            subject=f"user-{number}",
            brand="shop",
            txn=f"txn-{number}",
            workload="gateway",
            org_mac=mint(f"org-{number % 10}", now + 7200, KID, self.org_key),
            expires_at=now + 3600,
            credential_id=f"key_{number:016d}",
            plan="pro",
        )
        claims = claims_of(caller, issuer=ISSUER, audience=DOMAIN, jti=str(number), issued_at=now)
        return jwt.encode(claims, self.private, ALGORITHM, headers={"typ": TYP, "kid": "bench"})


async def run(small: bool) -> list[Row]:
    """One row for each case."""
    n = 200 if small else 10_000
    keys = _Keys()
    tokens = [keys.token(number) for number in range(100 if small else USERS)]
    rows = []
    async with redis_server() as server, postgres(keys.org_key) as database, echo.running() as yardstick:
        for mode, limits in CASES:
            store = RedisStore(server.url)
            async with written_down(server.url, store, database) as counters:
                stub = _stub(store, keys, limits, counters)
                rows.append(await _case(mode, limits, n, stub, store, tokens, yardstick))
            await store.close()
        for mode in (pb.MODE_TAKE, pb.MODE_RESERVE):
            store = RedisStore(server.url)
            found = await _case(mode, 8, n, _stub(store, keys, 8), store, tokens, yardstick, ", no ledger")
            rows.append(found)
            await store.close()
        store = RedisStore(server.url)
        rows.append(await _envoy(n, _server(store, keys, 8), store, yardstick))
        await store.close()
        rows += await limiters.run(server, _policy(8), small=small)
    return rows


async def _case(
    mode: pb.Mode.ValueType,
    limits: int,
    n: int,
    stub: Any,
    store: RedisStore,
    tokens: list[str],
    yardstick: echo.Echo,
    words: str = "",
) -> Row:
    name = f"{pb.Mode.Name(mode).removeprefix('MODE_')} {limits}{words}"
    serial = itertools.count()
    cost = pb.Cost(requests=1, input_tokens=300, output_tokens=200, model="gpt-4o")

    async def decide(number: int) -> None:
        request = pb.DecideRequest(mode=mode, request_id=f"{limits}-{mode}-{len(words)}-{next(serial):010d}", cost=cost)
        answer = await stub.Decide(request, metadata=[(METADATA_KEY, tokens[number % len(tokens)])])
        if answer.outcome != common.OUTCOME_ALLOW or len(answer.limits) != limits:
            raise RuntimeError(f"{name} was not decided as expected")

    for number in range(max(WARM_UP, len(tokens))):
        await decide(number)
    spent, cpu = await _scripts(store)
    trips = store.round_trips
    found = await interleaved(name, yardstick, n, decide)
    found["round_trips"] = round((store.round_trips - trips) / n, 3)
    after_spent, after_cpu = await _scripts(store)
    found["redis_us"] = round((after_spent - spent) / n, 1)
    found["per_redis_core"] = round(n / (after_cpu - cpu), 1)
    return found


async def _envoy(n: int, server: InProcessServer, store: RedisStore, yardstick: echo.Echo) -> Row:
    """Envoy's question under the shipped rules, each time for another address. `late` were refused, as 20 ms did not
    do: on a machine that is busy with something else."""
    channel: Any = InProcessChannel(server, f"spiffe://{DOMAIN}/envoy/edge")
    stub: Any = rls_pb2_grpc.RateLimitServiceStub(channel)
    late = 0

    async def ask(number: int) -> None:
        nonlocal late
        entry = rls_pb2.Entry(key="remote_address", value=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        descriptors = [rls_pb2.RateLimitDescriptor(entries=[entry])]
        try:
            answer = await stub.ShouldRateLimit(rls_pb2.RateLimitRequest(domain="edge", descriptors=descriptors))
        except aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            late += 1
            return
        if answer.overall_code != rls_pb2.RateLimitResponse.OK:
            raise RuntimeError("Envoy was not answered as expected")

    for number in range(WARM_UP):
        await ask(n + number)
    trips, late = store.round_trips, 0
    found = await interleaved("ENVOY, 1 descriptor", yardstick, n, ask)
    found["late"] = late
    found["round_trips"] = round((store.round_trips - trips) / n, 3)
    return found


async def _scripts(store: RedisStore) -> tuple[int, float]:
    """Microseconds in scripts, processor seconds of the whole server."""
    client: Any = store.client
    info = await client.info("everything")
    spent = info.get("cmdstat_evalsha", {"usec": 0})
    return spent["usec"], float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _stub(store: RedisStore, keys: _Keys, limits: int, counters: Durable | None = None) -> Any:
    channel: Any = InProcessChannel(_server(store, keys, limits, counters), f"spiffe://{DOMAIN}/gateway")
    return pb_grpc.RateLimitServiceStub(channel)


def _server(store: RedisStore, keys: _Keys, limits: int, counters: Durable | None = None) -> InProcessServer:
    """The service with so many limits, behind every layer that it has in production."""
    settings = RateLimitSettings.load({})
    app = application(store, _policy(limits), SystemClock(), counters=counters)
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
    server = InProcessServer(interceptor_of(app, settings, verifier))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    return server


def _policy(limits: int) -> PolicyDocument:
    """The default policy with limits that nobody reaches, the eight shapes over and over."""
    document = yaml.safe_load(DEFAULT_POLICY.read_text(encoding="utf-8"))
    document["limits"] = [
        {
            "id": f"bench.{number}",
            "subject": subject,
            "unit": unit,
            "window": window,
            "algorithm": algorithm,
            "limit": most,
        }
        for number, (subject, unit, window, algorithm, most) in enumerate(
            itertools.islice(itertools.cycle(_SHAPES), limits)
        )
    ]
    return parse_policy(document)
