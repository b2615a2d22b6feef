"""`authenticate`: one `Authenticate` of the auth service, in turns with `echo`: credential in, transaction token out.

Auth and tenancy as in the embedded stack (joined without a socket, behind every layer, real PostgreSQL and Redis). What
is asked of the stores is the same in all cases: the revocation epochs, each time. `cold` tokens were never seen before:
shape, key, real signature, claims; `cached` ones were accepted up to a minute ago; an API key up to 5 s ago. `bad
checksum` is what refusing a mistyped or made-up API key costs the verifier: no lookup, no digest.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as pb_grpc
from hauberk.common.v1 import decision_pb2 as common
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bench import echo
from bench.harness import interleaved
from bench.rows import Row, row
from bench.stacks import folder
from embedded.stack import Stack, StackOptions
from services.auth.policy import api_keys
from services.auth.policy.causes import Cause

AUDIENCE = "https://bench.test"
ALGORITHMS = ("RS256", "ES256")
WARM_UP = 50
CACHED_TOKENS = 100
BATCH = 200
WORKLOAD = "gateway"
Maker = Callable[[Stack], str]


async def run(small: bool) -> list[Row]:
    """One row for each case."""
    n = 300 if small else 5000
    async with folder() as place, _stack(place) as (stack, issuers), echo.running() as yardstick:
        ask = _asker(stack)
        rows = []
        for algorithm in ALGORITHMS:
            credentials = [pb.Credential(jwt=issuers[algorithm](stack)) for _ in range(CACHED_TOKENS)]
            rows.append(await _case(f"cached {algorithm}", yardstick, n, ask, credentials))
        for algorithm in ALGORITHMS:
            credentials = [pb.Credential(jwt=issuers[algorithm](stack)) for _ in range(n + WARM_UP)]
            rows.append(await _case(f"cold {algorithm}", yardstick, n, ask, credentials, warm=False))
        rows.append(await _case("api key", yardstick, n, ask, [pb.Credential(api_key=stack.api_key)]))
        rows.append(_bad_checksum(n))
    return rows


async def _case(
    name: str, yardstick: echo.Echo, n: int, ask: Any, credentials: list[pb.Credential], warm: bool = True
) -> Row:
    """`warm`: every credential was presented before it is measured; otherwise none ever was, nor is any twice."""
    for number in range(max(WARM_UP, len(credentials)) if warm else WARM_UP):
        await ask(credentials[number % len(credentials)])
    first = 0 if warm else WARM_UP

    async def present(number: int) -> None:
        await ask(credentials[(first + number) % len(credentials)])

    return await interleaved(name, yardstick, n, present)


def _asker(stack: Stack) -> Any:
    stub = pb_grpc.AuthServiceStub(stack.inprocess("auth", WORKLOAD))

    async def ask(credential: pb.Credential) -> None:
        request = pb.AuthenticateRequest(credential=credential, brand=stack.brand, on_behalf_of="backend/demo")
        answer = await stub.Authenticate(request, timeout=5)
        if answer.outcome != common.OUTCOME_ALLOW:
            raise RuntimeError("a good credential was refused; the figures would mislead")

    return ask


def _bad_checksum(n: int) -> Row:
    """Per key, of batches: one is too quick for a clock."""
    prefix, environment = "hbk", "test"
    keys: list[str] = []
    while len(keys) < BATCH:
        key = api_keys.compose(prefix, environment, secrets.token_bytes(32))
        wrong = key[:20] + ("0" if key[20] != "0" else "1") + key[21:]
        if api_keys.inspect(wrong, prefix, environment) is not Cause.KEY_CHECKSUM:
            raise RuntimeError("a wrong checksum was not seen")
        keys.append(wrong)
    taken = []
    for _ in range(max(20, n // BATCH)):
        started = time.perf_counter()
        for key in keys:
            api_keys.inspect(key, prefix, environment)
        taken.append((time.perf_counter() - started) / BATCH)
    found = row("bad checksum", taken)
    return {**found, "p50_us": round(found["p50_ms"] * 1000, 2)}


@asynccontextmanager
async def _stack(place: Path) -> AsyncIterator[tuple[Stack, dict[str, Maker]]]:
    """The embedded stack with an issuer of its organisation for each algorithm."""
    signers: dict[str, Any] = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }
    with tempfile.TemporaryDirectory(prefix="hauberk-bench-") as keys:
        issuers = tuple(_issuer(name, key, Path(keys)) for name, key in signers.items())
        async with Stack.running(place, StackOptions(issuers=issuers)) as stack:
            yield stack, {name: _maker(name, key) for name, key in signers.items()}


def _issuer(algorithm: str, key: Any, place: Path) -> dict[str, Any]:
    kind = RSAAlgorithm if algorithm == "RS256" else ECAlgorithm
    path = place / f"bench-{algorithm.lower()}.json"
    path.write_text(json.dumps({"keys": [{**kind.to_jwk(key.public_key(), as_dict=True), "kid": "k1", "use": "sig"}]}))
    return {
        "name": f"bench-{algorithm.lower()}",
        "issuer": f"https://{algorithm.lower()}.bench.test",
        "audience": AUDIENCE,
        "organisations": ["acme"],
        "jwks_file": str(path),
        "algorithms": [algorithm],
        "scopes": ["chat"],
    }


def _maker(algorithm: str, key: Any) -> Maker:
    def make(stack: Stack) -> str:
        now = int(time.time())
        claims = {
            "iss": f"https://{algorithm.lower()}.bench.test",
            "aud": AUDIENCE,
            "sub": stack.admin,
            "iat": now,
            "exp": now + 3000,
            "jti": secrets.token_hex(16),
            "acr": "gold",
            "amr": ["pwd", "otp"],
            "auth_time": now - 60,
        }
        return jwt.encode(claims, key, algorithm, headers={"typ": "at+jwt", "kid": "k1"})

    return make
