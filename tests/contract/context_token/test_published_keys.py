"""The public keys over HTTP: whoever has them already is told so, until they change."""

from __future__ import annotations

import json
from typing import Any, cast

from hauberk.context_token.v1 import context_token_service_pb2 as pb

from gateway.edge.headers import Headers
from gateway.http.resources import CONTEXT_JWKS, Resources
from gateway.http.web import Request, Response
from tests.contract.auth.house import GATEWAY
from tests.contract.context_token.house import ROTATED, Keys, World, mounted


async def published(world: World, known: str = "") -> Response:
    async def nothing() -> bytes:
        return b""

    def channel(kind: str) -> Any:
        return cast(Any, world.house.channel(kind, GATEWAY))

    headers = Headers({"if-none-match": known}, ())
    request = Request("GET", CONTEXT_JWKS, "", headers, "hauberk.test", "192.0.2.1", nothing)
    return await Resources(channel, lambda: "https://hauberk.test").by_path[CONTEXT_JWKS](request)


async def test_they_may_be_kept_and_are_sent_once(world: World) -> None:
    first = await published(world)
    assert first.status == 200
    assert first.headers["cache-control"].startswith("public, max-age=")
    assert json.loads(first.body) == json.loads((await world.stub("").GetJwks(pb.GetJwksRequest())).jwks)
    (key,) = json.loads(first.body)["keys"]
    assert key.keys() == {"kty", "key_ops", "n", "e", "kid", "use", "alg"}  # public, nothing else
    again = await published(world, first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    async with mounted(world.house, keys=Keys(ROTATED)) as later:
        new = await published(later, first.headers["etag"])
    assert new.status == 200
    assert new.headers["etag"] != first.headers["etag"]
