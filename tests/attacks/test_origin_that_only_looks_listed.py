"""A page of somebody else's asks as if it were the brand's: suffix, prefix, port, `null`, another spelling."""

from __future__ import annotations

from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common

from tests.support.backend import DEADLINE, fresh
from tests.support.guarded import ORIGIN, Guarded

TRICKS = (
    "null",
    f"{ORIGIN}.evil.example",
    "https://evil-app.example.com",
    "https://app.example.com@evil.example",
    "https://evil.example/https://app.example.com",
    f"{ORIGIN}:444",
    f"{ORIGIN}:",
    f"{ORIGIN}/",
    f"{ORIGIN}.",
    f"{ORIGIN}\r\nAccess-Control-Allow-Origin: *",
    f"{ORIGIN} https://evil.example",
    "http://app.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "https://app.example.c\u043em",
    "*",
)


async def resolved(guarded: Guarded, origin: str, organisation: str = "", **more: Any) -> auth.ResolveOriginResponse:
    own = guarded.backend.stack.main
    request = auth.ResolveOriginRequest(
        organisation=organisation or own.organisation, brand=more.pop("brand", own.brand), origin=origin, **more
    )
    stub = AuthServiceStub(guarded.backend.channel("auth"))
    answer: auth.ResolveOriginResponse = await stub.ResolveOrigin(request, timeout=DEADLINE)
    return answer


@pytest.mark.parametrize("origin", TRICKS)
async def test_it_gets_nothing(guarded: Guarded, origin: str) -> None:
    genuine = await resolved(guarded, ORIGIN)
    assert genuine.headers["Access-Control-Allow-Origin"] == ORIGIN
    for more in ({}, {"method": "GET"}):
        answer = await resolved(guarded, origin, **more)
        assert answer.outcome == common.OUTCOME_DENY
        assert dict(answer.headers) == {"Vary": "Origin"}
        assert not (answer.nonce or answer.widget.site_key)


async def test_a_listed_origin_of_another_organisations_brand_gets_nothing(guarded: Guarded) -> None:
    stack, brand = guarded.backend.stack, fresh("brand")
    await guarded.edge(stack.main, brand=brand)
    assert (await resolved(guarded, ORIGIN, brand=brand)).outcome == common.OUTCOME_ALLOW
    foreign = await resolved(guarded, ORIGIN, stack.other.organisation, brand=brand)
    unknown = await resolved(guarded, ORIGIN, "no-such-org", brand="no-such-brand")
    assert foreign == unknown == await resolved(guarded, "https://evil.example")
