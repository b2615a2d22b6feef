"""Every call ends: a spent budget is refused, a missing one is replaced, and peers get what is left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc

from services.kit.channels import Client, PeerError
from services.kit.deadline import remaining
from services.kit.errors import DeadlineExceeded, InvalidArgument, Unavailable
from tests.unit.kit.world import CODE, World, login, refused, serving


async def hang(request: Any, context: Any) -> Any:
    await asyncio.sleep(30)


async def test_a_call_without_a_deadline_ends_at_the_servers_limit(tmp_path: Path, transport: str) -> None:
    async with serving(tmp_path, deadline_limit=0.2) as world, world.channel(transport) as channel:
        world.auth.does["Authenticate"] = hang
        started = time.perf_counter()
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login()))
        assert status.code() is CODE.DEADLINE_EXCEEDED
        assert 0.15 < time.perf_counter() - started < 1.5
        # A longer wish does not help.
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=30))
        assert status.code() is CODE.DEADLINE_EXCEEDED


async def test_a_spent_deadline_starts_no_work(world: World) -> None:
    world.auth.does["Authenticate"] = hang
    async with world.channel("inprocess") as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=0.0))
    assert status.code() is CODE.DEADLINE_EXCEEDED
    assert world.auth.reached == []


async def test_the_callers_deadline_cancels_the_handler(world: World, transport: str) -> None:
    ended = asyncio.Event()

    async def handler(request: Any, context: Any) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    world.auth.does["Authenticate"] = handler
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=0.1))
        assert status.code() is CODE.DEADLINE_EXCEEDED
        await asyncio.wait_for(ended.wait(), 1)


async def test_a_peer_is_given_what_is_left_and_no_more(world: World, transport: str) -> None:
    given: list[float] = []

    async def inner(request: Any, context: Any) -> Any:
        given.append(context.time_remaining())
        return pb.GetJwksResponse(jwks="{}")

    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)

        async def outer(request: Any, context: Any) -> Any:
            await asyncio.sleep(0.1)
            await Client("auth").call(stub.GetJwks, pb.GetJwksRequest(), at_most=60)
            await Client("auth").call(stub.GetJwks, pb.GetJwksRequest(), at_most=0.05)
            return pb.AuthenticateResponse()

        world.auth.does.update(GetJwks=inner, Authenticate=outer)
        await stub.Authenticate(login(), timeout=1.0)
    assert 0.5 < given[0] < 0.9
    assert given[1] < 0.06


async def test_a_spent_budget_asks_no_peer(world: World, transport: str) -> None:
    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)
        asked: list[Exception] = []

        async def outer(request: Any, context: Any) -> Any:
            time.sleep(0.25)  # noqa: ASYNC251 - nothing may cancel us before the question
            try:
                await Client("auth").call(stub.GetJwks, pb.GetJwksRequest(), at_most=60)
            except DeadlineExceeded as error:
                asked.append(error)
                raise

        world.auth.does["Authenticate"] = outer
        status = await refused(stub.Authenticate(login(), timeout=0.2))
    assert status.code() is CODE.DEADLINE_EXCEEDED
    assert len(asked) == 1
    assert "GetJwks" not in world.auth.reached


async def test_outside_of_a_call_the_own_limit_counts() -> None:
    assert remaining(3.0) == 3.0


async def test_a_peers_failure_keeps_its_text_to_itself(world: World, transport: str) -> None:
    async def broken(request: Any, context: Any) -> Any:
        raise ValueError("hunter2")

    world.auth.does["GetJwks"] = broken
    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)
        with pytest.raises(PeerError) as caught:
            await Client("auth").call(stub.GetJwks, pb.GetJwksRequest(), at_most=1)
        assert caught.value.peer_code is CODE.INTERNAL
        assert caught.value.message == "auth is unavailable"
        with pytest.raises(InvalidArgument) as wrong:
            await Client("auth").call(stub.Authenticate, pb.AuthenticateRequest(), at_most=1)
        assert [violation.field for violation in wrong.value.violations] == ["credential"]


async def test_a_peer_that_is_away_is_unavailable_within_the_time(tmp_path: Path) -> None:
    from services.kit import certs, channels

    files = certs.issue(tmp_path, "hauberk.local", "gateway")
    async with channels.connect("127.0.0.1:9", "auth", files) as channel:
        stub = auth_grpc.AuthServiceStub(channel)
        started = time.perf_counter()
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await Client("auth").call(stub.GetJwks, pb.GetJwksRequest(), at_most=0.5)
        assert time.perf_counter() - started < 1.5
