"""Every RPC of every service, called by one organisation with each identifier of another one.

Nothing here knows any RPC or table: requests are made from the contract, identifiers are read from the database. A new
RPC joins by itself, and a new table fails the suite until the other organisation has a row in it.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import psycopg
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy

from embedded.client import Seeded
from embedded.stack import Stack, StackOptions
from services.kit.validation import violations_of
from tests.attacks.rpcs import SERVED, Rpc
from tests.support.backend import Backend, by_key, fresh
from tests.support.isolation import counting, identifiers_of, keys_of, like, rows_of
from tests.support.probing import ask, outer
from tests.support.requests import message_of, texts, valid, with_text
from tests.support.stores import make_folder

# These ask with a user's credential in the request; every other RPC that names no tenant serves operators and peers.
_WITH_CREDENTIAL = {"gateway.Admit", "auth.Authenticate"}
_MAKES = ("Put", "Create", "Append", "Issue", "Redact", "Decide", "Import", "Set", "Open", "Admit")
# What makes something comes last: afterwards the caller has something of that name itself.
PROBED = sorted(
    (rpc for rpc in SERVED if rpc.is_tenant or str(rpc) in _WITH_CREDENTIAL),
    key=lambda rpc: rpc.method.name.startswith(_MAKES),
)
# What would make an ordinary request another one, or a refused one.
_LEFT_OUT = (
    "AdmitRequest.challenge",
    "AdmitRequest.next_brand",
    "AuthenticateRequest.challenge",
    "CreateInvitationRequest.ttl",
    "PutDocumentRequest.chunks",
    "PutResourcesRequest.resources",
    "RevokeSubjectRequest.expires_at",
    "UpdateSettingsRequest.invitation_ttl",
    "also",
    "keep",
)
MARK = "theirs"
LIMIT = "user_brand.messages.hour"
ENOUGH = ("user_brand.messages.minute", LIMIT, "api_key.requests.minute")
# What a field of these names holds is content, in which an identifier is a word like any other.
_CONTENT = re.compile(r"(.*\.)?texts?(\[\d+\])?")
# What the other organisation is known by: its own names, ids that were drawn for it, and what it called things.
_IDENTIFIER = re.compile(rf"{MARK}-.*|globex.*|[a-z]{{2,5}}_[0-9A-Za-z]{{16,}}")
SCHEMA = json.dumps({"type": "object", "properties": {"id": {"type": "string", "x-resource": "Brand"}}})


@dataclass(frozen=True)
class House:
    """Two organisations, and who asks for each."""

    stack: Stack
    backend: Backend
    mine: Seeded
    theirs: Seeded

    @property
    def admin_dsn(self) -> str:
        return self.stack.stores.postgres.admin_dsn

    async def token(self, owner: Seeded) -> str:
        answer = await self.backend.authenticate(by_key(owner.api_key), owner.brand)
        assert answer.txn_token
        return answer.txn_token

    def values(self, owner: Seeded) -> dict[str, Any]:
        """What an ordinary request of this organisation holds."""
        credential = auth.Credential(api_key=owner.api_key)
        return {
            "brand": owner.brand,
            "brands": [owner.brand],
            "target_brand": owner.brand,
            "user": owner.admin,
            "subject": owner.admin,
            "api_key": credential.api_key,
            "roles": ["member"],
            "scopes": ["chat"],
            "schema_json": SCHEMA,
            "permission": "chat.send",
            "Resource.type": "Document",
            "action": "document.read",
            "resource_type": "Document",
            "embedding": [],
            "zone": "UTC",
            "origin": "https://probe.example",
            "origins": ["https://probe.example"],
            "allowed_addresses": ["203.0.113.0/24"],
            "model": "self-hosted",
            "methods": ["GET"],
            "headers": ["x-probe"],
            "BrandEdge.sources": [],
            "report_endpoint": "https://probe.example/csp",
            "hostnames": ["probe.example"],
            "ChallengeWidget.previous_secret_until": [],
            "txn": "0" * 32,
            "playbook": "injection_burst",
            "holder": "backend/demo",
            "policies": '@id("own.probe") permit (principal, action == Action::"brands.read", resource);',
            **{name: list[str]() for name in _LEFT_OUT},
            **dict.fromkeys(
                ("page_token", "etag", "witness", "RevokeSubjectRequest.issuer", "RevokeSubjectRequest.token_id"), ""
            ),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_stack() -> AsyncIterator[Stack]:
    """A stack of its own: what is made and spent here is nobody else's to stumble over."""
    base = make_folder()
    try:
        async with Stack.running(base / "data", StackOptions()) as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(own_stack: Stack) -> AsyncIterator[House]:
    """The other organisation has called every RPC that makes something, so it has something of everything."""
    made = House(own_stack, Backend(own_stack), own_stack.main, own_stack.other)
    mark = fresh(MARK)
    names = dict.fromkeys(("*", "conversation", "id", "document", "tool", "user", "request_id"), mark)
    values = made.values(made.theirs) | names
    for rpc in sorted(PROBED, key=lambda rpc: rpc.method.name):
        if rpc.method.name.startswith(_MAKES):
            await ask(made.stack, rpc, await made.token(made.theirs), valid(message_of(rpc.method), values))
    await _more(made, values)
    yield made


async def _more(made: House, values: dict[str, Any]) -> None:
    """What no single request makes: a policy on trial, a key that was rotated, calls of tools made and waiting."""
    by_name = {rpc.method.name: rpc for rpc in PROBED}

    async def one(name: str, **more: Any) -> Any:
        request = valid(message_of(by_name[name].method), values | more)
        return (await ask(made.stack, by_name[name], await made.token(made.theirs), request))[1]

    for held in (False, True):
        tool = {"tool": f"{MARK}-{held}".lower(), "not_after": [], "definition_hash": "", "approval": ""}
        await one("PutTool", **tool, needs_approval=held)
        await one("CheckToolCall", **tool, arguments_json="{}", request_approval=True)
    await one("PutPolicySet", use=tenancy.POLICY_USE_TRY)
    phrase = {"AllowedPhrase.phrase": "said in several words", "AllowedPhrase.until": "2026-12-31"}
    shape = {"IdentifierShape.action": "chat.send", "IdentifierShape.pattern": "ORD-[0-9]{8}"}
    await one("PutGuardPolicy", **phrase, **shape, link_hosts=["probe.example"], expected_version=0)
    await one("Authorize", action="brands.read", **{"Resource.type": "Brand", "Resource.id": made.theirs.brand})
    key = await one("CreateApiKey")
    await one("RotateApiKey", key_id=key["key"]["keyId"])
    await one("RevokeSubject")
    grant = next(rpc for rpc in SERVED if rpc.method.name == "Grant")
    for owner in (made.theirs, made.mine):  # the caller asks often: no probe may meet a limit that another did not
        for limit in ENOUGH:
            more = limits.GrantRequest(
                organisation=owner.organisation, limit_id=limit, limit=1_000, reason_code="probes"
            )
            more.ttl.FromSeconds(3600)
            said = await ask(made.stack, grant, "", more)
            assert said[0] == "OK", said
    await _settled(made)


async def _settled(made: House) -> None:
    """Waits for what is written beside the calls: what a policy on trial was asked is counted once a second."""
    with psycopg.connect(made.admin_dsn, autocommit=True) as admin:
        for _ in range(10):
            seen = rows_of(admin, made.theirs.organisation)
            await asyncio.sleep(1.5)
            if seen == rows_of(admin, made.theirs.organisation) and seen["tenancy.policy_trials"]:
                return


@pytest.fixture
def admin(house: House) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(house.admin_dsn, autocommit=True) as connection:
        yield connection


def test_the_other_organisation_has_something_in_every_table(house: House, admin: psycopg.Connection[Any]) -> None:
    """Without this, a table would pass by being empty."""
    empty = {name for name, rows in rows_of(admin, house.theirs.organisation).items() if not rows}
    assert empty <= NOT_FILLED, f"nothing of the other organisation in {sorted(empty - NOT_FILLED)}"


NOT_FILLED = {
    "auth.key_uses",  # written once a minute, off the path of any call
    "ratelimit.used",  # sums of requests that are months old
    "ratelimit.resets",  # only an operator sets a counter to zero
}


@pytest.mark.parametrize("rpc", PROBED, ids=str)
async def test_an_identifier_of_another_organisation_is_an_unknown_one(
    house: House, admin: psycopg.Connection[Any], rpc: Rpc
) -> None:
    theirs, mine = house.theirs.organisation, house.mine.organisation
    found = identifiers_of(admin, theirs, mine) | {"organisation": theirs}
    foreign = {column: text for column, text in found.items() if _IDENTIFIER.fullmatch(text)}
    before, kept = rows_of(admin, theirs), keys_of(house.stack.stores.redis.url, theirs)
    request = valid(message_of(rpc.method), house.values(house.mine))
    for place in [where for where, _, _, _ in texts(request) if not _CONTENT.fullmatch(where)]:
        tried = set[str]()
        for column, identifier in foreign.items():
            if identifier in tried or not _fits(request, place, identifier):
                continue
            tried.add(identifier)
            unknown = like(identifier)
            # A memory of a few seconds may just have ended between the two: what differs must differ every time.
            for _ in range(3):
                difference = await compared(house, rpc, request, place, identifier, unknown)
                if not difference:
                    break
            assert not difference, f"{place} with {column}: {difference}"
    assert rows_of(admin, theirs) == before, "a row of the other organisation changed"
    now = keys_of(house.stack.stores.redis.url, theirs)
    changed = {key for key, digest in now.items() if kept.get(key) != digest}
    assert not changed, "something of the other organisation changed in Redis"


async def compared(house: House, rpc: Rpc, request: Message, place: str, foreign: str, unknown: str) -> str:
    """What tells the two apart; empty when nothing does."""
    token = await house.token(house.mine)
    txn = jwt.decode(token, options={"verify_signature": False})["txn"]
    said, cost = [], []
    for identifier in (like(foreign), foreign, unknown):  # the first one only warms what is remembered of the caller
        asked = with_text(request, place, identifier)
        with counting(txn) as counted:
            status, answer = await ask(house.stack, rpc, token, asked)
        said.append((status, outer(answer, identifier)))
        cost.append(Counter({name: count for name, count in counted.items() if count}))
    if said[1] != said[2]:
        return f"{said[1]} and {said[2]}"
    return "" if cost[1] == cost[2] else f"{dict(cost[1])} and {dict(cost[2])} store calls"


def _fits(request: Message, place: str, text: str) -> bool:
    """Whether the contract lets this text stand there at all."""
    return not violations_of(with_text(request, place, text))


async def test_this_suite_notices_what_is_not_an_unknown_one(house: House) -> None:
    """An identifier of the caller's own is told from an unknown one, by the answer or by its cost."""
    rpcs = {rpc.method.name: rpc for rpc in PROBED}
    values = house.values(house.mine) | {"Resource.type": "Brand", "action": "brands.read"}
    request = valid(message_of(rpcs["Authorize"].method), values)
    difference = await compared(
        house, rpcs["Authorize"], request, "resource.id", house.mine.brand, like(house.mine.brand)
    )
    assert "OUTCOME_ALLOW" in difference
