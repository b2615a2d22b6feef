"""Auth and tenancy in one process over real PostgreSQL and Redis, with every layer of the kit around them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_rpc

from services.auth import bootstrap as auth_bootstrap
from services.auth.settings import AuthSettings
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.jwks import PeerKeys
from services.kit.keys import VersionedSecret
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.run import fetch_jwks, own_channel, verifier_of
from services.kit.server import App, Wiring, interceptor_of
from services.kit.settings import ServiceSettings
from services.tenancy import bootstrap as tenancy_bootstrap
from services.tenancy.settings import TenancySettings
from tests.support.stores import ORG_KEY, ORG_KID, DataStores

DOMAIN = "hauberk.local"
GATEWAY, SHOP, OPERATOR = "gateway", "backend/shop", "operator"
TOKEN = "txn-token"
ALLOW, DENY = decision_pb2.OUTCOME_ALLOW, decision_pb2.OUTCOME_DENY


class TestKeys:
    """A key port; its organisation key is the one the test database was prepared with."""

    __test__ = False

    def __init__(self) -> None:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        signing = ec.generate_private_key(ec.SECP256R1()).private_bytes(*form)
        self.kept = {
            "txn-signing": [VersionedSecret("t1", signing)],
            "org-mac": [VersionedSecret(ORG_KID, ORG_KEY)],
            "api-key-pepper": [VersionedSecret("p1", secrets.token_bytes(32))],
            "admission": [VersionedSecret("a1", secrets.token_bytes(32))],
            "webhook-kek": [VersionedSecret("w1", secrets.token_bytes(32))],
            "content-kek": [VersionedSecret("c1", secrets.token_bytes(32))],
            "edge-kek": [VersionedSecret("e1", secrets.token_bytes(32))],
        }

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept[name]


@dataclass
class House:
    """The services, and ways to call them as any workload."""

    stores: DataStores
    auth_app: App
    servers: dict[str, InProcessServer]
    redis: RedisStore
    database: Database
    keys: TestKeys

    def auth(self, workload: str = GATEWAY) -> Any:
        return rpc.AuthServiceStub(cast(Any, self.channel("auth", workload)))

    def tenancy(self, workload: str) -> Any:
        return tenancy_rpc.TenancyServiceStub(cast(Any, self.channel("tenancy", workload)))

    def channel(self, service: str, workload: str) -> InProcessChannel:
        return InProcessChannel(self.servers[service], f"spiffe://{DOMAIN}/{workload}")

    async def organisation(self) -> tuple[str, str]:
        """A new organisation with its first key."""
        name = f"org-{secrets.token_hex(6)}"
        await self.tenancy(OPERATOR).CreateOrganisation(
            tenancy_pb.CreateOrganisationRequest(organisation=name, plan="pro", first_brand="shop", first_admin="ann")
        )
        asked = pb.BootstrapApiKeyRequest(organisation=name, subject="ann", brand="shop")
        return name, str((await self.auth(OPERATOR).BootstrapApiKey(asked)).api_key)

    async def authenticate(self, key: str, workload: str = GATEWAY, **fields: Any) -> pb.AuthenticateResponse:
        credential = fields.pop("credential", None) or pb.Credential(api_key=key)
        fields.setdefault("on_behalf_of", SHOP)
        request = pb.AuthenticateRequest(credential=credential, **fields)
        return cast(pb.AuthenticateResponse, await self.auth(workload).Authenticate(request))

    async def token(self, key: str) -> str:
        answer = await self.authenticate(key)
        assert answer.outcome == ALLOW
        return answer.txn_token

    async def call(self, method: str, token: str, request: Any, workload: str = SHOP) -> Any:
        return await getattr(self.auth(workload), method)(request, metadata=((TOKEN, token),))

    async def admission(self, token: str, seconds: int = 60, holder: str = SHOP) -> str:
        request = pb.OpenAdmissionRequest(conversation="c-1", holder=holder, reservation="r-1")
        request.ttl.FromSeconds(seconds)
        return str((await self.call("OpenAdmission", token, request, GATEWAY)).admission)

    async def go_on(self, handle: str, on_behalf_of: str = SHOP) -> pb.ContinueResponse:
        request = pb.ContinueRequest(admission=handle, on_behalf_of=on_behalf_of)
        return cast(pb.ContinueResponse, await self.auth().Continue(request))


@asynccontextmanager
async def opened(stores: DataStores, keys: TestKeys | None = None, **settings: Any) -> AsyncIterator[House]:
    servers: dict[str, InProcessServer] = {}
    keys = keys or TestKeys()

    def dial(kind: str) -> Any:
        return InProcessChannel(servers[kind], f"spiffe://{DOMAIN}/auth")

    auth_settings = AuthSettings.model_validate(
        {"redis_url": stores.redis_url, "database_url": stores.service_dsn("auth"), **settings}
    )
    tenancy_settings = TenancySettings.model_validate({"database_url": stores.service_dsn("tenancy")})
    async with AsyncExitStack() as stack:
        wiring = Wiring(keys, dial, SystemClock(), stack)
        tenancy_app = await tenancy_bootstrap.build(tenancy_settings, wiring)
        public = PeerKeys(lambda: fetch_jwks(own_channel(auth_app, auth_settings)))
        servers["tenancy"] = _served(tenancy_app, tenancy_settings, public)
        auth_app = await auth_bootstrap.build(auth_settings, wiring)
        servers["auth"] = _served(auth_app, auth_settings, public)
        await public.refresh()
        for work in auth_app.background:
            stack.callback(asyncio.ensure_future(work()).cancel)
        redis = RedisStore(stores.redis_url)
        stack.push_async_callback(redis.close)
        database = Database(stores.service_dsn("auth"))
        await database.open()
        stack.push_async_callback(database.close)
        yield House(stores, auth_app, servers, redis, database, keys)


def _served(app: App, settings: ServiceSettings, public: PeerKeys) -> InProcessServer:
    server = InProcessServer(interceptor_of(app, settings, verifier_of(public, settings)))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    return server
