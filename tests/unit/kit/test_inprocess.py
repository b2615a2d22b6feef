"""The channel without a socket behaves like one: serialised, isolated, cancellable, streaming in all four shapes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import grpc
import pytest
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as gateway_grpc

from services.kit.access import WORKLOAD, AccessRule
from services.kit.call import LayeredInterceptor
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.server import layers_of
from services.kit.telemetry.tracing import OFF
from tests.unit.kit.world import CODE, DOMAIN, Auth, World, app_of, login, refused, settings_of

secret: ContextVar[str] = ContextVar("secret", default="")


async def chunks(*texts: str) -> AsyncIterator[gateway_pb.CompleteStreamRequest]:
    for text in texts:
        yield gateway_pb.CompleteStreamRequest(chunk=text)


async def test_a_stream_of_answers(world: World, transport: str) -> None:
    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(40):  # more than the channel buffers
            yield pb.WatchRevocationsResponse(sequence=number)

    world.auth.does["WatchRevocations"] = watch
    async with world.channel(transport, "gateway") as channel:
        stream = auth_grpc.AuthServiceStub(channel).WatchRevocations(pb.WatchRevocationsRequest(), timeout=2)
        assert [answer.sequence async for answer in stream] == list(range(40))


async def test_a_stream_both_ways(world: World, transport: str) -> None:
    texts = [f"part {number}" for number in range(40)]
    async with world.channel(transport) as channel:
        stream = gateway_grpc.GatewayServiceStub(channel).CompleteStream(chunks(*texts), timeout=2)
        assert [answer.chunk async for answer in stream] == texts


async def test_a_stream_of_requests() -> None:
    """No method of the contract has this shape yet, the kit serves it all the same."""

    async def join(requests: AsyncIterator[Any], context: Any) -> Any:
        return gateway_pb.CompleteStreamResponse(chunk="".join([request.chunk async for request in requests]))

    handler = grpc.stream_unary_rpc_method_handler(
        join,
        gateway_pb.CompleteStreamRequest.FromString,
        gateway_pb.CompleteStreamResponse.SerializeToString,
    )
    rules = {"/t.T/Join": AccessRule(WORKLOAD, frozenset({"backend"}), "")}
    server = InProcessServer(LayeredInterceptor(layers_of(app_of(Auth()), settings_of(), None, OFF), rules))
    server.add_registered_method_handlers("t.T", {"Join": handler})
    channel = InProcessChannel(server, f"spiffe://{DOMAIN}/backend/shop")
    call = channel.stream_unary(
        "/t.T/Join", gateway_pb.CompleteStreamRequest.SerializeToString, gateway_pb.CompleteStreamResponse.FromString
    )
    assert (await call(chunks("a", "b", "c"), timeout=1)).chunk == "abc"


async def test_messages_are_copies(world: World) -> None:
    async def handler(request: Any, context: Any) -> Any:
        request.brand = "changed"
        return pb.AuthenticateResponse(txn_token="x")

    world.auth.does["Authenticate"] = handler
    request = login(brand="acme-chat")
    async with world.channel("inprocess") as channel:
        await auth_grpc.AuthServiceStub(channel).Authenticate(request, timeout=1)
    assert request.brand == "acme-chat"


async def test_no_context_variable_crosses(world: World, transport: str) -> None:
    seen: list[str] = []

    async def handler(request: Any, context: Any) -> Any:
        seen.append(secret.get())
        secret.set("of the handler")
        return pb.AuthenticateResponse()

    world.auth.does["Authenticate"] = handler
    secret.set("of the caller")
    async with world.channel(transport) as channel:
        for _ in range(2):
            await auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=1)
    assert seen == ["", ""]
    assert secret.get() == "of the caller"


async def test_cancelling_the_caller_cancels_the_handler(world: World, transport: str) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    world.auth.does["Authenticate"] = handler
    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)

        async def ask() -> Any:
            return await stub.Authenticate(login(), timeout=2)

        task = asyncio.create_task(ask())
        await asyncio.wait_for(begun.wait(), 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 1)


async def test_leaving_a_stream_ends_its_handler(world: World, transport: str) -> None:
    ended = asyncio.Event()

    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield pb.WatchRevocationsResponse(sequence=1)
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    world.auth.does["WatchRevocations"] = watch
    async with world.channel(transport, "gateway") as channel:
        stream = auth_grpc.AuthServiceStub(channel).WatchRevocations(pb.WatchRevocationsRequest(), timeout=2)
        async for _ in stream:
            break
        stream.cancel()
        await asyncio.wait_for(ended.wait(), 1.5)


async def test_a_stream_cancelled_before_it_began_ends(world: World) -> None:
    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.WatchRevocationsResponse(sequence=1)

    world.auth.does["WatchRevocations"] = watch
    async with world.channel("inprocess", "gateway") as channel:
        stream = auth_grpc.AuthServiceStub(channel).WatchRevocations(pb.WatchRevocationsRequest(), timeout=2)
        stream.cancel()

        async def read() -> None:
            async for _ in stream:
                pass

        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(read(), 1)


async def test_the_deadline_of_a_stream_counts(world: World, transport: str) -> None:
    async def watch(request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.WatchRevocationsResponse(sequence=1)
        await asyncio.sleep(30)

    world.auth.does["WatchRevocations"] = watch
    async with world.channel(transport, "gateway") as channel:
        stream = auth_grpc.AuthServiceStub(channel).WatchRevocations(pb.WatchRevocationsRequest(), timeout=0.2)
        seen: list[int] = []

        async def read() -> None:
            async for answer in stream:
                seen.append(answer.sequence)

        status = await refused(read())
    assert seen == [1]
    assert status.code() is CODE.DEADLINE_EXCEEDED


async def test_an_unknown_method_is_unimplemented(world: World, transport: str) -> None:
    async with world.channel(transport) as channel:
        method = channel.unary_unary(
            "/hauberk.auth.v1.AuthService/Nothing",
            request_serializer=pb.GetJwksRequest.SerializeToString,
            response_deserializer=pb.GetJwksResponse.FromString,
        )

        async def ask() -> Any:
            return await method(pb.GetJwksRequest(), timeout=1)

        assert (await refused(ask())).code() is CODE.UNIMPLEMENTED
