"""A page of somebody else's sends a form to a product behind Envoy: the user's cookie comes along, and is not enough.

The brand lists no origins, so auth has no word against any page.
"""

from __future__ import annotations

from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb
from hauberk.envoy.auth.v3.external_auth_pb2_grpc import AuthorizationStub

from tests.support.backend import DEADLINE, Backend, fresh
from tests.support.guarded import ORIGIN, Guarded
from tests.support.sessions import opened

HOST = "shop.example"
OWN = f"https://{HOST}"
EVIL = "https://evil.example"
SITE = "sec-fetch-site"


async def session_of(backend: Backend) -> str:
    return (await opened(backend, await backend.member(fresh("user")))).session


async def asked(
    backend: Backend, session: str, page: dict[str, str], method: str = "POST", address: str = "192.0.2.61"
) -> Any:
    request = pb.CheckRequest()
    seen = request.attributes
    seen.source.address.socket_address.address = address
    seen.request.http.method, seen.request.http.host = method, HOST
    seen.request.http.headers.update({"cookie": f"__Host-hauberk-session={session}", **page})
    stub = AuthorizationStub(backend.stack.channel("gateway", "envoy/identity"))
    for _ in range(5):
        answer = await stub.Check(request, timeout=DEADLINE)
        if answer.WhichOneof("http_response") != "error_response":  # a busy machine: nobody has decided yet
            break
    return answer


def refused(answer: Any) -> bool:
    shown = answer.WhichOneof("http_response") == "denied_response"
    return shown and answer.denied_response.status.code in (401, 403) and answer.status.code != 0


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": f"{OWN}.evil.example"},
        {"origin": f"{OWN}:8443"},
        {"origin": f"http://{HOST}"},
        {SITE: "cross-site"},
        {SITE: "none"},
        {"origin": EVIL, SITE: "cross-site"},
        {"origin": "https://other.shop.example", SITE: "same-site"},
        {"origin": EVIL, SITE: "same-origin,cross-site"},
        {"origin": EVIL, "sec_fetch_site": "same-origin"},
        {"origin": OWN, SITE: "cross-site"},
    ],
    ids=range(13),
)
async def test_it_changes_nothing(backend: Backend, page: dict[str, str]) -> None:
    session = await session_of(backend)
    for method in ("POST", "DELETE"):
        assert refused(await asked(backend, session, page, method))


async def test_what_it_may_read_is_not_remembered_for_what_it_may_change(backend: Backend) -> None:
    session = await session_of(backend)
    page = {"origin": EVIL}
    for _ in range(2):  # it is not shown the answer; from now on the caller is remembered
        assert (await asked(backend, session, page, "GET")).WhichOneof("http_response") == "ok_response"
    assert refused(await asked(backend, session, page))


@pytest.mark.parametrize("page", [{"origin": OWN}, {SITE: "same-origin"}, {"origin": OWN, SITE: "same-origin"}])
async def test_the_products_own_page_is_let_in(backend: Backend, page: dict[str, str]) -> None:
    answer = await asked(backend, await session_of(backend), page)
    assert answer.WhichOneof("http_response") == "ok_response"


async def test_only_a_listed_page_is_let_in_beside_it(guarded: Guarded) -> None:
    backend = guarded.backend
    await guarded.edge(backend.stack.main)
    session = await session_of(backend)
    listed = await asked(backend, session, {"origin": ORIGIN, SITE: "cross-site"}, address=guarded.address())
    assert listed.WhichOneof("http_response") == "ok_response"
    assert refused(await asked(backend, session, {"origin": EVIL, SITE: "cross-site"}, address=guarded.address()))


async def test_a_credential_that_the_page_was_given_is_no_matter_of_cookies(backend: Backend) -> None:
    credential: auth.Credential = await backend.member(fresh("user"))
    answer = await asked(backend, "none", {"origin": EVIL, "authorization": f"Bearer {credential.jwt}"})
    assert answer.WhichOneof("http_response") == "ok_response"
