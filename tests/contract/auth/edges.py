"""A house whose providers of challenges stand on this machine, and a brand with a widget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hauberk.auth.v1 import auth_service_pb2 as pb

from services.auth.settings import DEFAULT_POLICY
from tests.contract.auth.house import GATEWAY, SHOP, House, opened
from tests.support.siteverify import HOST, SECRET, SITE_KEY, FakeProvider, provider
from tests.support.stores import DataStores

ORIGIN = f"https://{HOST}"
# In a hurry, so that a test can wait for the end of everything.
HASTY = {
    "total_ms": 1000,
    "attempt_ms": 400,
    "breaker_failures": 3,
    "breaker_open_seconds": 2,
    "per_address_minute": 100,
}


@dataclass
class Street:
    """The house, the provider beside it, and ways to ask."""

    house: House
    provider: FakeProvider
    organisation: str = ""
    key: str = ""

    async def put(self, edge: pb.BrandEdge) -> pb.PutBrandEdgeResponse:
        token = await self.house.token(self.key)
        answer: pb.PutBrandEdgeResponse = await self.house.call(
            "PutBrandEdge", token, pb.PutBrandEdgeRequest(edge=edge)
        )
        return answer

    async def get(self, brand: str = "shop") -> pb.GetBrandEdgeResponse:
        token = await self.house.token(self.key)
        answer: pb.GetBrandEdgeResponse = await self.house.call(
            "GetBrandEdge", token, pb.GetBrandEdgeRequest(brand=brand)
        )
        return answer

    async def verify(self, token: str, workload: str = SHOP, **fields: Any) -> pb.VerifyChallengeResponse:
        solved = {name: fields.pop(name) for name in ("action", "binding") if name in fields}
        kind = fields.pop("provider", "turnstile")
        request = pb.VerifyChallengeRequest(
            organisation=fields.pop("organisation", self.organisation),
            brand=fields.pop("brand", "shop"),
            challenge=pb.ChallengeResponse(provider=kind, token=token, **solved),
            **fields,
        )
        answer: pb.VerifyChallengeResponse = await self.house.auth(workload).VerifyChallenge(request)
        return answer

    async def resolve(self, origin: str = ORIGIN, workload: str = SHOP, **fields: Any) -> pb.ResolveOriginResponse:
        fields = {"organisation": self.organisation, "brand": "shop"} | fields
        request = pb.ResolveOriginRequest(origin=origin, **fields)
        answer: pb.ResolveOriginResponse = await self.house.auth(workload).ResolveOrigin(request)
        return answer


def widget(**changed: Any) -> pb.ChallengeWidget:
    fields = {
        "provider": "turnstile",
        "site_key": SITE_KEY,
        "secret": SECRET,
        "hostnames": [HOST],
        "actions": ["chat", "login"],
    }
    return pb.ChallengeWidget(**(fields | changed))


def edge(challenge: pb.ChallengeWidget | None = None, brand: str = "shop", **changed: Any) -> pb.BrandEdge:
    fields: dict[str, Any] = {"origins": [ORIGIN], "methods": ["GET", "POST"], "headers": ["content-type"]}
    return pb.BrandEdge(brand=brand, challenge=challenge, **(fields | changed))


@asynccontextmanager
async def street(stores: DataStores, folder: Path, **settings: Any) -> AsyncIterator[Street]:
    """With an organisation whose brand `shop` has a widget."""
    policy = yaml.safe_load(DEFAULT_POLICY.read_text())
    policy["challenge"] |= HASTY
    path = folder / "auth.yaml"
    path.write_text(yaml.safe_dump(policy))
    async with provider() as beside:
        given = {"turnstile_url": beside.url, "hcaptcha_url": beside.url, "auth_policy": path, **settings}
        async with opened(stores, **given) as house:
            made = Street(house, beside)
            made.organisation, made.key = await house.organisation()
            await made.put(edge(widget()))
            yield made


__all__ = ["GATEWAY", "ORIGIN", "SHOP", "Street", "edge", "street", "widget"]
