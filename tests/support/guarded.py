"""A stack with a low limit for each address, whose brands' challenges are verified by a provider on this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from embedded.client import Seeded
from embedded.stack import Stack, StackOptions
from services.auth.settings import DEFAULT_POLICY as AUTH_POLICY
from services.kit.settings import ServiceSettings
from services.ratelimit.settings import DEFAULT_POLICY as RATE_POLICY
from tests.support.altered import with_settings
from tests.support.backend import DEADLINE, Backend, by_key
from tests.support.siteverify import HOST, SECRET, SITE_KEY, FakeProvider, provider
from tests.support.stores import make_folder

BURST = 2  # requests of one address before it is asked
SOLVES = 4  # solved challenges that one address may bring in a minute
ORIGIN = f"https://{HOST}"


@dataclass
class Guarded:
    """The product's backend, and the provider that its pages use."""

    backend: Backend
    provider: FakeProvider
    addresses: int = 0

    def address(self) -> str:
        """One that nobody used."""
        self.addresses += 1
        return f"198.51.100.{self.addresses}"

    async def edge(self, own: Seeded, **changed: Any) -> None:
        """A browser policy with a widget for the organisation's own brand."""
        widget = auth.ChallengeWidget(
            provider="turnstile", site_key=SITE_KEY, secret=SECRET, hostnames=[HOST], actions=["chat", "login"]
        )
        edge = auth.BrandEdge(brand=changed.pop("brand", own.brand), origins=[ORIGIN], challenge=widget, **changed)
        await AuthServiceStub(self.backend.channel("auth")).PutBrandEdge(
            auth.PutBrandEdgeRequest(edge=edge), timeout=DEADLINE, metadata=await self.backend.administer(own)
        )

    async def widget(self, own: Seeded, binding: str) -> auth.WidgetView:
        """As a page is given it."""
        request = auth.ResolveOriginRequest(
            organisation=own.organisation, brand=own.brand, origin=ORIGIN, binding=binding
        )
        answer = await AuthServiceStub(self.backend.channel("auth")).ResolveOrigin(request, timeout=DEADLINE)
        view: auth.WidgetView = answer.widget
        return view

    async def tired(self) -> str:
        """An address over its limit; nobody's own limits are used up by that."""
        address = self.address()
        for _ in range(BURST):
            await self.backend.admit(by_key("nobody's"), client_address=address)
        return address

    async def admit(
        self,
        address: str,
        token: str,
        own: Seeded | None = None,
        credential: auth.Credential | None = None,
        **solved: Any,
    ) -> pb.AdmitResponse:
        """A request of a new member from that address, with a solved challenge of the organisation's brand."""
        own = own or self.backend.stack.main
        return await self.backend.admit(
            credential or await self.backend.member(organisation=own),
            client_address=address,
            organisation=own.organisation,
            brand=own.brand,
            challenge=auth.ChallengeResponse(provider="turnstile", token=token, **solved),
        )


@asynccontextmanager
async def guarded_stack() -> AsyncIterator[Guarded]:
    folder, base = Path(tempfile.mkdtemp(prefix="hk-test-")), make_folder()
    try:
        auth_policy, rate_policy = folder / "auth.yaml", folder / "ratelimit.yaml"
        auth_policy.write_text(_changed(AUTH_POLICY, lambda data: data["challenge"].update(per_address_minute=SOLVES)))
        rate_policy.write_text(_changed(RATE_POLICY, _low))
        async with provider() as beside:

            def change(name: str, _: ServiceSettings) -> dict[str, Any]:
                if name == "auth":
                    return {"turnstile_url": beside.url, "auth_policy": auth_policy}
                return {"ratelimit_policy": rate_policy} if name == "ratelimit" else {}

            async with AsyncExitStack() as running:
                # In force while it is built alone: other stacks of the same run are none of its business.
                with with_settings(change):
                    stack = await running.enter_async_context(Stack.running(base / "data", StackOptions()))
                made = Guarded(Backend(stack), beside)
                await made.edge(stack.main)
                await made.edge(stack.other)
                yield made
    finally:
        for path in (folder, base):
            shutil.rmtree(path, ignore_errors=True)


def _changed(path: Path, change: Any) -> str:
    data = yaml.safe_load(path.read_text())
    change(data)
    return yaml.safe_dump(data)


def _low(data: dict[str, Any]) -> None:
    for limit in data["limits"]:
        if limit["subject"] == "address":
            limit["limit"] = BURST
