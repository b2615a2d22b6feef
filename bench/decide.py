"""`decide`: one `Decide` of the rate-limit service with all its layers, over a real Redis, in turns with `echo`.

The service is joined without a socket, as in the embedded stack; callers are 1 000 users of 10 organisations.
`round_trips` is per decision, `redis_us` the time that Redis spent in the script.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from hauberk.common.v1 import decision_pb2 as common
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc

from bench import echo
from bench.harness import interleaved
from bench.rows import Row
from embedded.datafolder import DataFolder
from embedded.redis import RedisServer
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.redis import RedisStore
from services.kit.server import interceptor_of
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.ratelimit.bootstrap import application
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
            org_mac="proof",
            expires_at=now + 3600,
            credential_id=f"key_{number:016d}",
            plan="pro",
        )
        claims = claims_of(caller, issuer=ISSUER, audience=DOMAIN, jti=str(number), issued_at=now)
        return jwt.encode(claims, self.private, ALGORITHM, headers={"typ": TYP, "kid": "bench"})


async def run(small: bool) -> list[Row]:
    """One row for each case."""
    n = 400 if small else 10_000
    keys = _Keys()
    tokens = [keys.token(number) for number in range(100 if small else USERS)]
    rows = []
    async with _redis() as server, echo.running() as yardstick:
        for mode, limits in CASES:
            store = RedisStore(server.url)
            rows.append(await _case(mode, limits, n, _stub(store, keys, limits), store, tokens, yardstick))
            await store.close()
    return rows


async def _case(
    mode: pb.Mode.ValueType, limits: int, n: int, stub: Any, store: RedisStore, tokens: list[str], yardstick: echo.Echo
) -> Row:
    name = f"{pb.Mode.Name(mode).removeprefix('MODE_')} {limits}"
    serial = itertools.count()
    cost = pb.Cost(requests=1, input_tokens=300, output_tokens=200, model="gpt-4o")

    async def decide(number: int) -> None:
        request = pb.DecideRequest(mode=mode, request_id=f"{limits}-{mode}-{next(serial):010d}", cost=cost)
        answer = await stub.Decide(request, metadata=[(METADATA_KEY, tokens[number % len(tokens)])])
        if answer.outcome != common.OUTCOME_ALLOW or len(answer.limits) != limits:
            raise RuntimeError(f"{name} was not decided as expected")

    for number in range(max(WARM_UP, len(tokens))):
        await decide(number)
    trips, (calls, spent) = store.round_trips, await _scripts(store)
    found = await interleaved(name, yardstick, n, decide)
    after_calls, after_spent = await _scripts(store)
    # Two of them are the readings themselves.
    found["round_trips"] = round((store.round_trips - trips - 2) / n, 3)
    found["redis_us"] = round((after_spent - spent) / (after_calls - calls), 1)
    return found


async def _scripts(store: RedisStore) -> tuple[int, int]:
    client: Any = store.client
    spent = (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0, "usec": 0})
    return spent["calls"], spent["usec"]


def _stub(store: RedisStore, keys: _Keys, limits: int) -> Any:
    """The service with so many limits, behind every layer that it has in production."""
    settings = RateLimitSettings.load({})
    app = application(store, _policy(limits), SystemClock())
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
    server = InProcessServer(interceptor_of(app, settings, verifier))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    channel: Any = InProcessChannel(server, f"spiffe://{DOMAIN}/gateway")
    return pb_grpc.RateLimitServiceStub(channel)


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


@asynccontextmanager
async def _redis() -> AsyncIterator[RedisServer]:
    base = Path(tempfile.mkdtemp(prefix="hk-bench-"))
    base.chmod(0o711)  # noqa: ASYNC240 - once; an unprivileged account must be able to walk through it
    try:
        with DataFolder(base / "data") as folder:
            server = RedisServer(folder)
            await server.start()
            try:
                yield server
            finally:
                await server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
