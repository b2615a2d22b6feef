"""The guardrail as it is served, with the real tenancy and redaction services behind it, on real stores."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from pydantic import SecretStr

from services.guardrail import bootstrap
from services.guardrail.policy.model import Part, Source
from services.guardrail.policy.taint import summary
from services.guardrail.settings import GuardrailSettings
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import VersionedSecret
from services.kit.run import issuer_of
from services.kit.server import App, Wiring, interceptor_of
from services.kit.settings import ServiceSettings
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.redaction import bootstrap as redaction
from services.redaction.settings import RedactionSettings
from services.tenancy import bootstrap as tenancy
from services.tenancy.settings import TenancySettings
from tests.support.stores import DataStores

SIGNING = ec.generate_private_key(ec.SECP256R1())
OWN_WORDS = summary([Part(Source.USER, "please do it")])
EVERYTHING = frozenset({"tools.manage", "tools.approve", "members.manage", "brands.manage", "decisions.explain"})


class Keys:
    """The key port and the set of public keys, of this test run."""

    generation = 0

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return [VersionedSecret("k1", bytes(range(32)))]

    def find(self, kid: str) -> Any | None:
        return SIGNING.public_key() if kid == "t1" else None


class Away:
    """A channel to nobody."""

    def _method(self, *_: Any, **__: Any) -> Any:
        async def refuse(*_: Any, **__: Any) -> Any:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="away"
            )

        return refuse

    unary_unary = unary_stream = stream_unary = stream_stream = _method


@dataclass
class World:
    """Every server, and callers of organisations of their own."""

    stores: DataStores
    servers: dict[str, InProcessServer] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    apps: dict[str, App] = field(default_factory=dict)

    def channel(self, kind: str, workload: str = "guardrail") -> Any:
        return Dial(self, kind, f"spiffe://hauberk.local/{workload}")

    def stub(self, workload: str = "gateway") -> Any:
        return GuardrailServiceStub(self.channel("guardrail", workload))

    def token(
        self, organisation: str, user: str, brand: str, scopes: frozenset[str], workload: str = "gateway"
    ) -> list[tuple[str, str]]:
        now = int(time.time())
        proof = self.stores.proof(organisation)
        caller = Caller(organisation, user, brand, "txn-1", workload, proof, now + 60, scopes=scopes)
        claims = claims_of(
            caller, issuer="https://auth.hauberk.local", audience="hauberk.local", jti="j", issued_at=now
        )
        return [(METADATA_KEY, jwt.encode(claims, SIGNING, ALGORITHM, headers={"typ": TYP, "kid": "t1"}))]

    async def organisation(self) -> str:
        name = f"org-{secrets.token_hex(6)}"
        request = tenancy_pb.CreateOrganisationRequest(
            organisation=name, plan="pro", first_brand="shop", first_admin="ann"
        )
        await self.apps["tenancy"].mounts[0].servicer.CreateOrganisation(request, None)
        return name

    async def ask(
        self,
        method: str,
        request: Any,
        organisation: str,
        *,
        user: str = "ann",
        brand: str = "shop",
        scopes: frozenset[str] = EVERYTHING,
        workload: str = "gateway",
    ) -> Any:
        token = self.token(organisation, user, brand, scopes, "gateway" if workload == "ratelimit" else workload)
        return await getattr(self.stub(workload), method)(request, metadata=token)

    async def tenancy(self, method: str, request: Any, organisation: str) -> Any:
        from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

        stub = TenancyServiceStub(self.channel("tenancy", "gateway"))
        return await getattr(stub, method)(request, metadata=self.token(organisation, "ann", "shop", EVERYTHING))

    async def call(
        self, organisation: str, tool: str, arguments: str, call: dict[str, Any] | None = None, **who: Any
    ) -> pb.CheckToolCallResponse:
        """Of a model that was shown nothing but its user's words, unless `call` says otherwise."""
        request = pb.CheckToolCallRequest(tool=tool, arguments_json=arguments, **{"taint": OWN_WORDS, **(call or {})})
        answer: pb.CheckToolCallResponse = await self.ask("CheckToolCall", request, organisation, **who)
        return answer


class Dial:
    """Decides at each call whether the peer is there."""

    def __init__(self, world: World, kind: str, identity: str) -> None:
        self._world = world
        self._kind = kind
        self._identity = identity

    def __getattr__(self, shape: str) -> Any:
        def make(*args: Any, **kwargs: Any) -> Any:
            def ask(*call: Any, **more: Any) -> Any:
                there: Any = InProcessChannel(self._world.servers[self._kind], self._identity)
                channel = Away() if self._kind in self._world.away else there
                return getattr(channel, shape)(*args, **kwargs)(*call, **more)

            return ask

        return make


@asynccontextmanager
async def opened(stores: DataStores, **changes: Any) -> AsyncIterator[World]:
    """The three services; every layer around each."""
    world = World(stores)
    keys = Keys()
    builds: list[tuple[str, Any, ServiceSettings]] = [
        (
            "redaction",
            redaction.build,
            RedactionSettings.model_validate(
                {
                    "redis_url": SecretStr(stores.redis_url),
                    "database_url": SecretStr(stores.service_dsn("redaction")),
                }
            ),
        ),
        (
            "tenancy",
            tenancy.build,
            TenancySettings.model_validate({"database_url": SecretStr(stores.service_dsn("tenancy"))}),
        ),
        (
            "guardrail",
            bootstrap.build,
            GuardrailSettings.model_validate({"database_url": SecretStr(stores.service_dsn("guardrail")), **changes}),
        ),
    ]
    async with AsyncExitStack() as stack:
        for name, build, settings in builds:
            app = await build(settings, Wiring(keys, world.channel, SystemClock(), stack))
            issuer = issuer_of(settings)
            verifier = TokenVerifier(keys, issuer=issuer, audience=settings.trust_domain, clock=SystemClock())
            server = InProcessServer(interceptor_of(app, settings, verifier))
            for mount in app.mounts:
                mount.add_to_server(mount.servicer, server)
            world.servers[name], world.apps[name] = server, app
        yield world
