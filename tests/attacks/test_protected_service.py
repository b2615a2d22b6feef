"""A service of a product behind hauberk_client's guards: what gets in without a credential that auth accepts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from embedded.ports import free_ports
from embedded.stack import Stack
from hauberk_client import Connection, Guard, NotAuthenticated, Protected, ProtectedCalls, Tls, current_caller
from tests.support.backend import Backend, fresh
from tests.support.protected import KINDS, Product, asked, serving


def connected(stack: Stack, address: str = "") -> Connection:
    files = stack.client()
    return Connection(Tls(files.cert, files.key, files.ca), address or stack.address)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guard(target: Stack) -> AsyncIterator[Guard]:
    async with connected(target) as connection:
        yield Guard(connection, brand=target.brand)


def stolen(stack: Stack) -> dict[str, tuple[str, ...]]:
    """What an attacker presents."""
    key = stack.api_key
    other = "0" if key[-1] != "0" else "1"
    return {
        "nothing": (),
        "an empty one": ("Bearer ",),
        "another scheme": (f"Basic {key}",),
        "no scheme": (key,),
        "two at once": (f"Bearer {key}", f"Bearer {key}"),
        "a key and a comma": (f"Bearer {key}, {key}",),
        "a mistyped key": (f"Bearer {key[:-1]}{other}",),
        "an unknown key": ("Bearer hbk_test_" + "0" * 49,),
        "another organisation's key": (f"Bearer {stack.other.api_key}",),
        "an unsigned token": ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",),
        "an expired token": (f"Bearer {stack.user_jwt(stack.admin, ttl=-600)}",),
        "another organisation's user": (f"Bearer {stack.user_jwt(stack.other.admin, stack.other.organisation)}",),
        "a user whom nobody added": (f"Bearer {stack.user_jwt(fresh('ghost'))}",),
        "a whole book": ("Bearer " + "x" * 100_000,),
        "bytes": ("Bearer \x00\xff\n",),
    }


ATTEMPTS = (
    "nothing", "an empty one", "another scheme", "no scheme", "two at once", "a key and a comma", "a mistyped key",
    "an unknown key", "another organisation's key", "an unsigned token", "an expired token",
    "another organisation's user", "a user whom nobody added", "a whole book", "bytes",
)  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_over_http_every_failure_is_one_answer(target: Stack, guard: Guard, attempt: str) -> None:
    product = Product()
    start, body = await asked(Protected(product, guard), *stolen(target)[attempt])
    assert (start["status"], dict(start["headers"])[b"www-authenticate"]) == (401, b"Bearer")
    assert json.loads(body["body"]) == {"type": "about:blank", "title": "A valid credential is required", "status": 401}
    assert product.reached == []


async def test_a_web_socket_is_closed_before_it_opens(target: Stack, guard: Guard) -> None:
    product = Product()
    (closed,) = await asked(Protected(product, guard), kind="websocket")
    assert closed["type"] == "websocket.close"
    with pytest.raises(ValueError, match="unknown kind"):
        await asked(Protected(product, guard), kind="webtransport")
    assert product.reached == []
    await asked(Protected(product, guard), f"Bearer {target.api_key}", kind="websocket")
    assert product.reached == ["websocket"]


async def test_public_is_a_path_and_not_what_begins_like_it(target: Stack, guard: Guard) -> None:
    product = Product()
    app = Protected(product, guard, public=["/health"])
    for path in ("/health/", "/healthz", "/health/../orders", "//health", "/HEALTH"):
        assert (await asked(app, path=path))[0]["status"] == 401
    assert (await asked(app, path="/health", kind="websocket"))[0]["type"] == "websocket.close"
    assert product.reached == []
    assert (await asked(app, path="/health"))[0]["status"] == 200


@pytest.mark.parametrize("brand", ["globex-chat", "no-such-brand", "not a name!", ""])
async def test_another_brand_and_no_brand_are_one_answer(target: Stack, guard: Guard, brand: str) -> None:
    product = Product()
    app = Protected(product, guard, action="chat.send", resource=lambda scope: ("Brand", scope["path"][1:]))
    start, body = await asked(app, f"Bearer {target.api_key}", path=f"/{brand}")
    assert start["status"] == 403
    assert json.loads(body["body"])["title"] == "Not permitted"
    assert product.reached == []
    assert (await asked(app, f"Bearer {target.api_key}", path=f"/{target.brand}"))[0]["status"] == 200


async def test_what_cannot_be_asked_is_refused(target: Stack) -> None:
    product = Product()
    async with connected(target, f"127.0.0.1:{free_ports(1)[0]}") as connection:
        app = Protected(product, Guard(connection, deadline=0.3))
        start, _ = await asked(app, f"Bearer {target.api_key}")
        async with serving(Guard(connection, deadline=0.3)) as call:
            assert await call("unary_unary", f"Bearer {target.api_key}") == "UNAVAILABLE"
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")
    assert product.reached == []


async def test_who_is_let_in_is_known_there_and_nowhere_else(target: Stack, backend: Backend, guard: Guard) -> None:
    user = fresh("user")
    await backend.member(user)
    _, body = await asked(Protected(Product(), guard), f"Bearer {target.user_jwt(user)}")
    assert body["body"].decode() == user
    with pytest.raises(NotAuthenticated):
        current_caller()


async def test_half_a_question_is_a_mistake_of_who_writes_it(guard: Guard) -> None:
    with pytest.raises(ValueError, match="together"):
        Protected(Product(), guard, action="chat.send")
    with pytest.raises(ValueError, match="together"):
        ProtectedCalls(guard, resource=lambda *_: ("Brand", "x"))


# What no gRPC client can send in metadata is left to the test over HTTP.
@pytest.mark.parametrize("attempt", [name for name in ATTEMPTS if name not in ("a whole book", "bytes")])
async def test_over_grpc_every_failure_is_one_status(target: Stack, guard: Guard, attempt: str) -> None:
    async with serving(guard) as call:
        for kind in KINDS:
            assert await call(kind, *stolen(target)[attempt]) == "UNAUTHENTICATED"


async def test_over_grpc_a_method_that_is_not_there_tells_a_stranger_nothing(target: Stack, guard: Guard) -> None:
    async with serving(guard, public=["/shop.Shop/unary"]) as call:
        assert await call("unary_unary", method="missing") == "UNAUTHENTICATED"
        assert await call("unary_unary", f"Bearer {target.api_key}", method="missing") == "UNIMPLEMENTED"


async def test_over_grpc_another_brand_is_not_permitted(target: Stack, guard: Guard) -> None:
    def named(brand: str) -> Callable[..., tuple[str, str]]:
        return lambda method, metadata: ("Brand", brand)

    for brand in (target.other.brand, "no-such-brand", "?"):
        async with serving(guard, action="chat.send", resource=named(brand)) as call:
            assert await call("stream_unary", f"Bearer {target.api_key}") == "PERMISSION_DENIED"
    async with serving(guard, action="chat.send", resource=named(target.brand)) as call:
        assert [await call(kind, f"Bearer {target.api_key}") for kind in KINDS] == [target.admin] * 4
