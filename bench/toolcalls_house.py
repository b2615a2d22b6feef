"""Three organisations with tools, brands, documents and users, and the table of who may do what, by hand."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from hauberk.guardrail.v1 import guardrail_service_pb2 as pb
from hauberk.guardrail.v1.guardrail_service_pb2_grpc import GuardrailServiceStub

from bench import tenancy_house
from bench.tenancy_house import DOMAIN, ISSUER, House
from services.guardrail import bootstrap
from services.guardrail.settings import GuardrailSettings
from services.kit.clock import SystemClock
from services.kit.database_roles import role_of
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyRing
from services.kit.server import Wiring, interceptor_of
from services.kit.txn_token import TokenVerifier

ORGANISATIONS = ("alba", "brix", "corvo")
USERS = ("ann", "adam", "mia", "max", "vera")
SCOPES = ("tools.manage", "tools.approve")
# tool -> the roles that may call it, by policies/tenancy; `solo` is registered in the first organisation only.
TOOLS = {
    "report": ("tools.call", frozenset({"owner", "admin", "member"})),
    "refund": ("orders.refund", frozenset({"owner", "admin"})),
    "browse": ("knowledge.read", frozenset({"owner", "admin", "member", "viewer"})),
    "solo": ("tools.call", frozenset({"owner", "admin", "member"})),
}
ROLES = {"ann": "owner", "adam": "admin", "mia": "member", "max": "member", "vera": "viewer"}
EVERYWHERE = frozenset({"ann", "adam", "mia"})  # the others: the brand `shop` and what belongs to it
DOCUMENT = {"type": "Document", "action": "document.read"}
SCHEMA = {
    "type": "object",
    "required": ["brand"],
    "properties": {
        "brand": {"type": "string", "x-resource": "Brand"},
        "brands": {"type": "array", "items": {"type": "string"}, "maxItems": 4, "x-resource": "Brand"},
        "days": {"type": "integer", "minimum": 1, "maximum": 31},
        "note": {"type": "string", "maxLength": 40},
        "filter": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"document": {"type": "string", "x-resource": DOCUMENT}, "deep": {"type": "boolean"}},
        },
    },
}


def brands_of(organisation: str) -> frozenset[str]:
    """`shop` is everybody's name for one; the others are nobody else's."""
    return frozenset({"shop", f"{organisation}-north", f"{organisation}-south"})


def documents_of(organisation: str) -> dict[str, str]:
    """Documents and their brand; `plan` is a document in every organisation."""
    return {"plan": "shop", f"{organisation}-plan": "shop", f"{organisation}-rates": f"{organisation}-north"}


def may_call(organisation: str, user: str, tool: str) -> bool:
    """The table: may this user use a tool of that name at all?"""
    there = tool in TOOLS and (tool != "solo" or organisation == ORGANISATIONS[0])
    return there and ROLES[user] in TOOLS[tool][1]


def may_name(organisation: str, user: str, kind: str, name: str) -> bool:
    """The table: may this user name it in a call that they may make?"""
    if kind == "Document":
        brand = documents_of(organisation).get(name)
        return brand is not None and (user in EVERYWHERE or brand == "shop")
    return name in brands_of(organisation) and (user in EVERYWHERE or name == "shop")


@dataclass
class ToolHouse:
    """Guardrail and tenancy with all their layers, and a PostgreSQL."""

    house: House
    stub: Any

    async def call(self, organisation: str, user: str, request: pb.CheckToolCallRequest) -> pb.CheckToolCallResponse:
        """As that user."""
        answer: pb.CheckToolCallResponse = await self.stub.CheckToolCall(
            request, metadata=self.house.as_(organisation, user), timeout=30
        )
        return answer


@asynccontextmanager
async def opened() -> AsyncIterator[ToolHouse]:
    """A fresh house, filled."""
    async with tenancy_house.opened() as house, AsyncExitStack() as stack:
        made = ToolHouse(house, await _served(house, stack))
        for organisation in ORGANISATIONS:
            await house.sql(filling(organisation))
            for asked in registrations(organisation):
                await made.stub.PutTool(asked, metadata=house.as_(organisation, "ann", SCOPES), timeout=30)
        yield made


def registrations(organisation: str) -> list[pb.PutToolRequest]:
    """The organisation's tools, as often as anybody likes."""
    quota = pb.ToolQuota(per_admission=100_000, per_conversation=100_000, per_hour=100_000)
    schema = json.dumps(SCHEMA)
    return [
        pb.PutToolRequest(
            tool=pb.Tool(tool=tool, permission=permission, schema_json=schema, risk=pb.TOOL_RISK_READ, quota=quota)
        )
        for tool, (permission, _) in TOOLS.items()
        if tool != "solo" or organisation == ORGANISATIONS[0]
    ]


def filling(organisation: str) -> str:
    """Brands, members and documents, as SQL."""
    brands = ", ".join(f"('{organisation}', '{brand}')" for brand in sorted(brands_of(organisation)))
    members = ", ".join(
        f"('{organisation}', '{user}', '{{{role}}}'::text[], {user in EVERYWHERE})" for user, role in ROLES.items()
    )
    limited = ", ".join(f"('{organisation}', '{user}', 'shop')" for user in ROLES if user not in EVERYWHERE)
    documents = ", ".join(
        f"('{organisation}', 'Document', '{name}', '{brand}')" for name, brand in documents_of(organisation).items()
    )
    return f"""
        INSERT INTO tenancy.organisations (org_id, display_name, plan) VALUES ('{organisation}', '', 'pro');
        INSERT INTO tenancy.brands (org_id, brand_id) VALUES {brands};
        INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES {members};
        INSERT INTO tenancy.member_brands (org_id, user_id, brand_id) VALUES {limited};
        INSERT INTO tenancy.resources (org_id, kind, resource_id, brand_id) VALUES {documents};
    """


async def _served(house: House, stack: AsyncExitStack) -> Any:
    dsn = psycopg.conninfo.make_conninfo(house.service_dsn, user=role_of("guardrail"))
    settings = GuardrailSettings.load(
        {"HAUBERK_TRUST_DOMAIN": DOMAIN, "HAUBERK_DATABASE_URL": dsn, "HAUBERK_STORE_TIMEOUT": "10"}
    )
    keys = KeyRing(None, {"HAUBERK_KEY_CANARY": "1:" + base64.b64encode(secrets.token_bytes(32)).decode()})
    inner: Any = InProcessChannel(house.server, f"spiffe://{DOMAIN}/guardrail")
    app = await bootstrap.build(settings, Wiring(keys, lambda _: inner, SystemClock(), stack))
    verifier = TokenVerifier(house.keys, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
    server = InProcessServer(interceptor_of(app, settings, verifier))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    channel: Any = InProcessChannel(server, f"spiffe://{DOMAIN}/gateway")
    return GuardrailServiceStub(channel)
