"""The tenancy service on a real PostgreSQL, called as a proven caller."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from pydantic import SecretStr

from services.kit import caller as callers
from services.kit.call import Call
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.keys import KeyRing
from services.kit.server import App, Wiring
from services.tenancy.bootstrap import build
from services.tenancy.servicer import TenancyServicer
from services.tenancy.settings import TenancySettings
from tests.support.stores import DataStores

SCOPES = frozenset({"knowledge.write", "keys.manage", "members.manage", "brands.manage", "tools.manage"})

KEYS = {"HAUBERK_KEY_CONTENT_KEK": "1:" + base64.b64encode(bytes(range(32))).decode()}


@dataclass(frozen=True)
class House:
    """One service, and organisations of its own for each test."""

    stores: DataStores
    app: App

    @property
    def servicer(self) -> TenancyServicer:
        return cast(TenancyServicer, self.app.mounts[0].servicer)

    async def organisation(self, brand: str = "shop", admin: str = "ann") -> str:
        """A new organisation with a random name, made like an operator makes it."""
        name = f"org-{secrets.token_hex(6)}"
        await self.servicer.CreateOrganisation(
            pb.CreateOrganisationRequest(organisation=name, plan="pro", first_brand=brand, first_admin=admin), None
        )
        return name

    def caller(self, organisation: str, user: str = "ann", scopes: frozenset[str] = SCOPES) -> Caller:
        proof = self.stores.proof(organisation)
        return Caller(organisation, user, "shop", "txn", "gateway", proof, 2_000_000_000, scopes=scopes)

    async def call(self, method: str, caller: Caller, request: Any) -> Any:
        with acting(caller):
            return await getattr(self.servicer, method)(request, None)

    async def member(self, organisation: str, user: str, *roles: str, brands: tuple[str, ...] = ()) -> Caller:
        """A member added by the first owner."""
        asked = pb.PutMemberRequest(member=pb.Member(user=user, roles=roles, brands=brands))
        await self.call("PutMember", self.caller(organisation), asked)
        return self.caller(organisation, user)

    async def ask(self, caller: Caller, action: str, kind: str, name: str) -> pb.AuthorizeResponse:
        question = pb.AuthorizeRequest(action=action, resource=pb.Resource(type=kind, id=name))
        return cast(pb.AuthorizeResponse, await self.call("Authorize", caller, question))


class AuthTold:
    """A channel to auth that takes the end of a membership or a brand, nothing else. (With the real one: attacks.)"""

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Any:
        async def end(request: Any, **_: Any) -> Any:
            if method.endswith("/EndBrand"):
                assert request.brand
                return auth_pb.EndBrandResponse(epoch=1)
            assert request.user
            return auth_pb.EndMembershipResponse(epoch=1)

        return end if method.endswith(("/EndMembership", "/EndBrand")) else None

    unary_stream = unary_unary


@contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """What the identity layer does once it has verified a token."""
    call = Call("/test", None, cast(Any, None))
    call.caller = caller
    reset = callers.current.set(call)
    try:
        yield
    finally:
        callers.current.reset(reset)


def with_proof(caller: Caller, proof: str) -> Caller:
    return replace(caller, org_mac=proof)


def settings_of(stores: DataStores) -> dict[str, Any]:
    return {"database_url": SecretStr(stores.service_dsn("tenancy"))}


@asynccontextmanager
async def opened(stores: DataStores) -> AsyncIterator[House]:
    settings = TenancySettings(**settings_of(stores))

    def dial(kind: str) -> Any:
        assert kind == "auth", "tenancy calls no other peer"
        return AuthTold()

    async with AsyncExitStack() as stack:
        yield House(stores, await build(settings, Wiring(KeyRing(None, KEYS), dial, SystemClock(), stack)))
