"""Who may call: the workload by its certificate and the matrix, the caller by its token; every doubt is a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc

from services.kit.caller import current_call, current_caller, current_workload
from services.kit.errors import Unauthenticated
from tests.unit.kit.world import CODE, SHOP, Mint, World, certificate, details, login, refused

Tokens = Callable[[Mint], list[str]]


async def create_session(channel: Any, tokens: list[str]) -> Any:
    stub = auth_grpc.AuthServiceStub(channel)
    metadata = [("txn-token", token) for token in tokens]
    return await stub.CreateSession(pb.CreateSessionRequest(), timeout=2, metadata=metadata)


async def answer_session(request: Any, context: Any) -> Any:
    caller, workload = current_caller(), current_workload()
    return pb.CreateSessionResponse(session=f"{caller.organisation} {caller.subject} {workload.name}")


async def test_the_caller_is_what_the_token_and_the_certificate_say(world: World, transport: str) -> None:
    world.auth.does["CreateSession"] = answer_session
    async with world.channel(transport) as channel:
        answer = await create_session(channel, [world.mint.token()])
    assert answer.session == f"acme ada {SHOP}"


def _other_key(mint: Mint) -> list[str]:
    return [mint.token(key=ec.generate_private_key(ec.SECP256R1()))]


REFUSED: dict[str, Tokens] = {
    "no token": lambda mint: [],
    "an empty token": lambda mint: [""],
    "not a token": lambda mint: ["a.b.c"],
    "two tokens": lambda mint: [mint.token(), mint.token()],
    "the same token twice": lambda mint: [mint.token()] * 2,
    "expired": lambda mint: [mint.token(exp=int(time.time()) - 1)],
    "issued in the future": lambda mint: [mint.token(iat=int(time.time()) + 600)],
    "another issuer": lambda mint: [mint.token(iss="https://auth.elsewhere")],
    "another audience": lambda mint: [mint.token(aud="elsewhere")],
    "a list of audiences": lambda mint: [mint.token(aud=["hauberk.local", "elsewhere"])],
    "another type": lambda mint: [mint.token(headers={"typ": "ctx+jwt"})],
    "no type": lambda mint: [mint.token(headers={"typ": None})],
    "another key": _other_key,
    "an unknown key id": lambda mint: [mint.token(headers={"kid": "k9"})],
    "no key id": lambda mint: [mint.token(headers={"kid": None})],
    "a key of its own in the header": lambda mint: [mint.token(headers={"jwk": {"kty": "EC"}})],
    "a critical header": lambda mint: [mint.token(headers={"crit": ["exp"]})],
    "signed by a shared secret": lambda mint: [mint.token(key="k" * 64, algorithm="HS256")],
    "unsigned": lambda mint: [mint.token(algorithm="none")],
    "cut": lambda mint: [mint.token()[:-4]],
    "too long": lambda mint: [mint.token(pad="x" * 6200)],
    "no organisation": lambda mint: [mint.token(without=["tenant"])],
    "an empty organisation": lambda mint: [mint.token(tenant="")],
    "an organisation that is no text": lambda mint: [mint.token(tenant=["acme"])],
    "no expiry": lambda mint: [mint.token(without=["exp"])],
    "no proof of the organisation": lambda mint: [mint.token(without=["org_mac"])],
    "epochs that are no numbers": lambda mint: [mint.token(ep={"u": "x"})],
    "minted for another backend": lambda mint: [mint.token(workload="backend/other")],
    "minted for a longer name": lambda mint: [mint.token(workload=SHOP + "2")],
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_is_not_quite_right_is_refused(world: World, transport: str, make: Tokens) -> None:
    world.auth.does["CreateSession"] = answer_session
    async with world.channel(transport) as channel:
        status = await refused(create_session(channel, make(world.mint)))
    assert status.code() is CODE.UNAUTHENTICATED
    assert status.details() == Unauthenticated().message  # one text for every cause
    assert world.auth.reached == []


async def test_the_gateway_may_carry_a_token_of_a_backend(world: World, transport: str) -> None:
    world.auth.does["CreateSession"] = answer_session
    async with world.channel(transport, "gateway") as channel:
        answer = await create_session(channel, [world.mint.token(workload=SHOP)])
    assert answer.session.endswith(" gateway")


async def test_a_missing_scope_is_named(world: World, transport: str) -> None:
    request = pb.CreateApiKeyRequest(subject="ada")
    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)
        for scopes in (["chat"], ["keys.manage2"], []):
            metadata = [("txn-token", world.mint.token(scopes=scopes))]
            status = await refused(stub.CreateApiKey(request, timeout=2, metadata=metadata))
            (info,) = details(status, error_details_pb2.ErrorInfo)
            assert (status.code(), info.reason) == (CODE.PERMISSION_DENIED, "SCOPE_MISSING")
            assert "keys.manage" in (status.details() or "")
    assert world.auth.reached == []


@pytest.mark.parametrize("workload", ["redaction", "operator", "backendx/shop", "gateways", "ratelimit/backend"])
async def test_a_workload_outside_the_matrix_is_refused(world: World, transport: str, workload: str) -> None:
    async with world.channel(transport, workload) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (status.code(), info.reason) == (CODE.PERMISSION_DENIED, "WORKLOAD_NOT_ALLOWED")
    assert world.auth.reached == []


async def test_a_right_token_does_not_help_a_wrong_workload(world: World, transport: str) -> None:
    async with world.channel(transport, "redaction") as channel:
        status = await refused(create_session(channel, [world.mint.token(workload="redaction")]))
    assert status.code() is CODE.PERMISSION_DENIED


URI = x509.UniformResourceIdentifier
NAMES: dict[str, list[x509.GeneralName]] = {
    "no names": [],
    "no SPIFFE id": [x509.DNSName("gateway")],
    "another trust domain": [URI("spiffe://elsewhere.local/gateway")],
    "a trust domain that only begins alike": [URI("spiffe://hauberk.local.evil/gateway")],
    "two ids": [URI("spiffe://hauberk.local/gateway"), URI("spiffe://hauberk.local/backend/shop")],
    "an id beside one of another domain": [URI("spiffe://hauberk.local/gateway"), URI("spiffe://elsewhere/x")],
    "an id as a DNS name": [x509.DNSName("spiffe://hauberk.local/gateway")],
    "an address of another scheme": [URI("https://hauberk.local/gateway")],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
async def test_a_certificate_without_one_clear_identity_is_nobody(
    world: World, tmp_path: Path, names: list[x509.GeneralName]
) -> None:
    stem = f"odd-{abs(hash(str(names)))}"
    files = certificate(world.folder, stem, names)
    async with world.channel("tcp", files=files) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    assert status.code() is CODE.UNAUTHENTICATED
    assert world.auth.reached == []


async def test_without_a_certificate_there_is_no_connection(world: World) -> None:
    import grpc

    credentials = grpc.ssl_channel_credentials((world.folder / "ca.crt").read_bytes())
    options = [("grpc.ssl_target_name_override", "auth.hauberk.internal")]
    async with aio.secure_channel(f"127.0.0.1:{world.server.port}", credentials, options=options) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2))
    assert status.code() is CODE.UNAVAILABLE
    async with aio.insecure_channel(f"127.0.0.1:{world.server.port}") as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2))
    assert status.code() is CODE.UNAVAILABLE


async def test_a_certificate_of_another_authority_is_no_connection(world: World, tmp_path: Path) -> None:
    from services.kit import certs
    from services.kit.tls import TlsFiles

    stranger = certs.issue(tmp_path, "hauberk.local", "gateway")
    files = TlsFiles(stranger.cert, stranger.key, world.folder / "ca.crt")
    async with world.channel("tcp", files=files) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2))
    assert status.code() is CODE.UNAVAILABLE


async def test_a_server_that_serves_another_kind_is_not_talked_to(world: World) -> None:
    from services.kit import certs, channels

    files = certs.issue(world.folder, "hauberk.local", SHOP)
    async with channels.connect(f"127.0.0.1:{world.server.port}", "tenancy", files) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2))
    assert status.code() is CODE.UNAVAILABLE


async def test_an_anonymous_method_needs_no_token_and_proves_nobody(world: World, transport: str) -> None:
    async def jwks(request: Any, context: Any) -> Any:
        assert current_call().caller is None
        return pb.GetJwksResponse(jwks="{}")

    world.auth.does["GetJwks"] = jwks
    async with world.channel(transport, "redaction") as channel:
        answer = await auth_grpc.AuthServiceStub(channel).GetJwks(pb.GetJwksRequest(), timeout=2)
    assert answer.jwks == "{}"


def test_outside_of_a_call_there_is_no_caller() -> None:
    for read in (current_call, current_caller, current_workload):
        with pytest.raises(Unauthenticated):
            read()


async def test_a_method_without_a_token_has_no_caller(world: World, transport: str) -> None:
    async def handler(request: Any, context: Any) -> Any:
        return current_caller()

    world.auth.does["Authenticate"] = handler
    async with world.channel(transport) as channel:
        metadata = [("txn-token", world.mint.token())]
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2, metadata=metadata))
    assert status.code() is CODE.UNAUTHENTICATED
