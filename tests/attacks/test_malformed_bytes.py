"""Bytes that are no message of the method, at every door: refused in the contract's words, never an error inside."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio

from embedded.stack import Stack
from tests.attacks.forge import Forge
from tests.attacks.rpcs import DEADLINE, SERVED, Rpc

JUNK = (b"\xff\xff\xff\xff", b"\x0a\xff\x01", b"\x00", bytes(range(256)), b"\x0a" * 500, b"\x08\x80")
FINE = {grpc.StatusCode.INVALID_ARGUMENT}
# Bytes that happen to be a message are answered as one.
HARMLESS = FINE | {grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}


async def send(target: Stack, rpc: Rpc, token: str, junk: bytes) -> aio.AioRpcError | None:
    channel = target.channel(rpc.area, rpc.insider())
    shape = "stream" if rpc.method.client_streaming else "unary"
    shape += "_stream" if rpc.method.server_streaming else "_unary"
    method = getattr(channel, shape)(rpc.path, request_serializer=None, response_deserializer=None)

    async def one() -> AsyncIterator[bytes]:
        yield junk

    metadata = [("txn-token", token)] if rpc.is_tenant else []
    call = method(one() if rpc.method.client_streaming else junk, timeout=DEADLINE, metadata=metadata)
    try:
        if rpc.method.server_streaming:
            async for _ in call:
                call.cancel()
                break
        else:
            await call
    except aio.AioRpcError as error:
        return error
    return None


@pytest.mark.parametrize("rpc", SERVED, ids=str)
async def test_it_is_refused_politely(target: Stack, forge: Forge, rpc: Rpc) -> None:
    token = forge.genuine if "backend" in rpc.rule.workloads else forge.resigned(req_wl=rpc.insider())
    for junk in JUNK:
        error = await send(target, rpc, token, junk)
        code = grpc.StatusCode.OK if error is None else error.code()
        if rpc.is_tenant and rpc.rule.scope and code is grpc.StatusCode.PERMISSION_DENIED:
            continue
        expected = FINE if junk == JUNK[0] else HARMLESS
        assert code in expected, f"{rpc} {junk[:4]!r}: {code.name}"
        if error is not None:
            assert "protobuf" not in f"{error.details()}".lower()
