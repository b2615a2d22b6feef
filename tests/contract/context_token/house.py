"""Auth, tenancy and context-token in one process over real stores, with every layer of the kit around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.common.v1 import decision_pb2
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1 import context_token_service_pb2_grpc as rpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from services.context_token.bootstrap import build
from services.context_token.settings import ContextTokenSettings
from services.kit.audit import Event
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.jwks import PeerKeys
from services.kit.keys import VersionedSecret
from services.kit.provision import rsa_key
from services.kit.run import fetch_jwks, verifier_of
from services.kit.server import Wiring, interceptor_of
from tests.contract.auth.house import ALLOW, DOMAIN, SHOP, TOKEN, House
from tests.contract.auth.house import opened as auth_opened
from tests.support.stores import DataStores

KIND = "context-token"
SOURCE, TARGET, THIRD = "shop", "billing", "support"
BODY = b"asked about order 17"
NOT_ACCEPTED = decision_pb2.REASON_CONTEXT_NOT_ACCEPTED
SIGNING, ROTATED = rsa_key(), rsa_key()


@dataclass
class World:
    """The services; one organisation per `member` call."""

    house: House

    def stub(self, workload: str = SHOP) -> Any:
        return rpc.ContextTokenServiceStub(cast(Any, self.house.channel(KIND, workload)))

    async def organisation(self) -> tuple[str, str]:
        """A new organisation with three brands, and the first key of its owner."""
        name, key = await self.house.organisation()
        token = await self.house.token(key)
        for brand in (TARGET, THIRD):
            asked = tenancy_pb.PutBrandRequest(brand=tenancy_pb.Brand(brand=brand, zone="UTC"))
            await self.house.tenancy(SHOP).PutBrand(asked, metadata=((TOKEN, token),))
        return name, key

    async def member(self, key: str, user: str, *brands: str) -> str:
        """A key of a member who is limited to these brands."""
        token = await self.house.token(key)
        member = tenancy_pb.Member(user=user, roles=["member"], brands=brands)
        await self.house.tenancy(SHOP).PutMember(tenancy_pb.PutMemberRequest(member=member), metadata=((TOKEN, token),))
        asked = auth_pb.CreateApiKeyRequest(subject=user, brand=SOURCE, scopes=["chat"])
        return str((await self.house.call("CreateApiKey", token, asked)).api_key)

    async def ask(self, token: str, target: str = TARGET, seconds: int = 0, **how: Any) -> pb.IssueResponse:
        request = pb.IssueRequest(target_brand=target, body=how.pop("body", BODY), **how)
        if seconds:
            request.ttl.FromSeconds(seconds)
        return cast(pb.IssueResponse, await self.stub().Issue(request, metadata=((TOKEN, token),)))

    async def issue(self, token: str, **how: Any) -> str:
        answer = await self.ask(token, **how)
        assert answer.outcome == ALLOW, answer
        return answer.context_token

    async def fresh(self, **how: Any) -> tuple[str, str]:
        """A context token of a new organisation, and the transaction token that it was issued with."""
        _, key = await self.organisation()
        token = await self.house.token(key)
        return await self.issue(token, **how), token

    async def redeem(self, token: str, consumer: str = "backend/billing", brand: str = TARGET) -> pb.RedeemResponse:
        request = pb.RedeemRequest(context_token=token, consumer=consumer, brand=brand)
        return cast(pb.RedeemResponse, await self.stub("auth").Redeem(request))

    async def authenticate(self, token: str, **fields: Any) -> auth_pb.AuthenticateResponse:
        fields.setdefault("on_behalf_of", "backend/billing")
        return await self.house.authenticate("", credential=auth_pb.Credential(context_token=token), **fields)


class Keys:
    """The key port of context-token; the same for every mount, as files would be."""

    def __init__(self, signing: bytes = SIGNING) -> None:
        self._kept = {"ctx-signing": signing, "ctx-kek": bytes(range(32))}

    def versions(self, name: str) -> list[VersionedSecret]:
        return [VersionedSecret("1" if self._kept[name] is not ROTATED else "2", self._kept[name])]


class Heard:
    """A trail that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        self.events.append(event)


@asynccontextmanager
async def mounted(
    house: House, trail: Heard | None = None, keys: Keys | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Context-token beside auth and tenancy, which are already there."""

    def dial(kind: str) -> Any:
        return InProcessChannel(house.servers[kind], f"spiffe://{DOMAIN}/{KIND}")

    own = ContextTokenSettings.model_validate({"redis_url": house.stores.redis_url, **settings})
    before = house.servers.get(KIND)
    async with AsyncExitStack() as stack:
        app = await build(own, Wiring(keys or Keys(), dial, SystemClock(), stack, trail))
        public = PeerKeys(lambda: fetch_jwks(dial("auth")))
        await public.refresh()
        server = InProcessServer(interceptor_of(app, own, verifier_of(public, own)))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, server)
        house.servers[KIND] = server
        yield World(house)
    if before is not None:
        house.servers[KIND] = before


@asynccontextmanager
async def opened(stores: DataStores, **settings: Any) -> AsyncIterator[World]:
    """All three; auth is built before the peer that it redeems with."""
    async with auth_opened(stores) as house, mounted(house, **settings) as world:
        yield world
