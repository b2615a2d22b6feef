"""The contract's rules are enforced after authentication; wrong fields are named, their values never."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.rpc import error_details_pb2
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as gateway_grpc

from services.kit.validation import violations_of
from tests.unit.kit.world import CODE, World, details, everything_in, refused

SECRET = "ada@example.com hunter2"


def fields(request: Any) -> list[str]:
    return [violation.field for violation in violations_of(request)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (pb.AuthenticateRequest(), ["credential"]),
        (pb.AuthenticateRequest(credential=pb.Credential()), ["credential.kind"]),
        (pb.AuthenticateRequest(credential=pb.Credential(jwt="x" * 8193)), ["credential.jwt"]),
        (
            pb.AuthenticateRequest(
                credential=pb.Credential(api_key="k"), challenge=pb.ChallengeResponse(provider="A B", token="t")
            ),
            ["challenge.provider"],
        ),
        (pb.CreateApiKeyRequest(subject="ada", scopes=["chat", "NO", "a b"]), ["scopes[1]", "scopes[2]"]),
        (pb.CreateApiKeyRequest(subject="-", display_name="x" * 129, brand="B"), ["display_name", "subject", "brand"]),
    ],
    ids=["required", "oneof", "nested", "nested deeper", "index", "several"],
)
def test_the_path_of_every_wrong_field_is_named(request_: Any, expected: list[str]) -> None:
    assert sorted(fields(request_)) == sorted(expected)


async def test_a_malformed_request_reaches_no_handler(world: World, transport: str) -> None:
    request = pb.AuthenticateRequest(
        credential=pb.Credential(api_key="k"), brand=SECRET, client_address=SECRET, on_behalf_of=SECRET
    )
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(request, timeout=2))
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert status.code() is CODE.INVALID_ARGUMENT
    assert {v.field for v in bad.field_violations} == {"brand", "client_address", "on_behalf_of"}
    assert all(v.description for v in bad.field_violations)
    assert "hunter2" not in everything_in(status)
    assert world.auth.reached == []


async def test_who_is_not_authenticated_learns_nothing_about_the_contract(world: World, transport: str) -> None:
    request = pb.CreateApiKeyRequest(subject=" ", scopes=["NO"])
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).CreateApiKey(request, timeout=2))
    assert status.code() is CODE.UNAUTHENTICATED
    assert not details(status, error_details_pb2.BadRequest)
    async with world.channel(transport, "redaction") as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).CreateApiKey(request, timeout=2))
    assert status.code() is CODE.PERMISSION_DENIED


async def test_every_message_of_a_stream_is_checked(world: World, transport: str) -> None:
    async def parts() -> AsyncIterator[gateway_pb.CompleteStreamRequest]:
        yield gateway_pb.CompleteStreamRequest(chunk="fine")
        yield gateway_pb.CompleteStreamRequest(admission=SECRET)

    seen: list[str] = []
    async with world.channel(transport) as channel:
        stream = gateway_grpc.GatewayServiceStub(channel).CompleteStream(parts(), timeout=2)

        async def read() -> None:
            async for answer in stream:
                seen.append(answer.chunk)

        status = await refused(read())
    assert seen == ["fine"]
    assert status.code() is CODE.INVALID_ARGUMENT
    assert "hunter2" not in everything_in(status)


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x12\x02\xff\xfe"], ids=["no message", "no UTF-8"])
async def test_bytes_that_are_no_message_are_refused_like_any_other(world: World, data: bytes) -> None:
    async with world.channel("tcp") as channel:
        status = await refused(_raw(channel, "Authenticate", data))
        (bad,) = details(status, error_details_pb2.BadRequest)
        assert status.code() is CODE.INVALID_ARGUMENT
        assert [v.field for v in bad.field_violations] == ["request"]
        assert (await refused(_raw(channel, "CreateSession", data))).code() is CODE.UNAUTHENTICATED
    assert world.auth.reached == []


async def _raw(channel: Any, method: str, data: bytes) -> Any:
    return await channel.unary_unary(f"/hauberk.auth.v1.AuthService/{method}")(data, timeout=2)


async def test_many_wrong_fields_still_arrive_as_such(world: World, transport: str) -> None:
    request = pb.CreateApiKeyRequest(subject="ada", scopes=[f"NO {number}" for number in range(64)])
    async with world.channel(transport) as channel:
        metadata = [("txn-token", world.mint.token(scopes=["keys.manage"]))]
        status = await refused(auth_grpc.AuthServiceStub(channel).CreateApiKey(request, timeout=2, metadata=metadata))
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert status.code() is CODE.INVALID_ARGUMENT
    assert len(bad.field_violations) == 20
    assert (status.details() or "").endswith("and 44 more")
