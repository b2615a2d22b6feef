"""One call of any RPC as data in, data out, and what of an answer is the same each time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from embedded.stack import Stack
from tests.attacks.rpcs import Rpc
from tests.support.backend import DEADLINE, proof

# Never the same twice, whatever was asked.
_FRESH = re.compile(
    r"(txn|traceId|txnToken|.*[aA]t|.*Until|.*[tT]oken|duration|apiKey|session|sessionId|keyId|admission|secret|contextToken|"
    r"reservation|lastFour|etag|conversation|witness|sequence|nonce|headers|invitation|invitationId|remaining|resetAfter|"
    r"retryAfter|limits|headerFields|policyVersion|version|canary|body|epoch|definitionHash|tokenId|placeholder|url|digest)"
)


async def ask(stack: Stack, rpc: Rpc, token: str, request: Message) -> tuple[str, Any]:
    """Status or OK, and what was said: the answer as data, or reason and violations."""
    channel = stack.channel(rpc.area, rpc.insider())
    shape = ("stream" if rpc.method.client_streaming else "unary") + (
        "_stream" if rpc.method.server_streaming else "_unary"
    )
    method = getattr(channel, shape)(
        rpc.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(rpc.method.output_type).FromString,
    )
    metadata = proof(token) if rpc.is_tenant else ()
    argument = _one(request) if rpc.method.client_streaming else request
    try:
        pending = method(argument, timeout=DEADLINE, metadata=metadata)
        if not rpc.method.server_streaming:
            return "OK", json_format.MessageToDict(await pending)
        said = []
        async for answer in pending:
            said.append(json_format.MessageToDict(answer))
            if len(said) == 3:
                pending.cancel()
                break
        return "OK", said
    except aio.AioRpcError as error:
        return error.code().name, error.details()


async def _one(request: Message) -> AsyncIterator[Message]:
    yield request


def outer(said: Any, identifier: str) -> Any:
    """What was said, without what is never the same twice, and without the identifier that was asked with."""
    if isinstance(said, dict):
        return {name: outer(value, identifier) for name, value in said.items() if not _FRESH.fullmatch(name)}
    if isinstance(said, list):
        return [outer(value, identifier) for value in said]
    return said.replace(identifier, "ID") if isinstance(said, str) else said
