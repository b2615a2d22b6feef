"""A served application for tests of the kit: real contract services, handlers chosen by each test."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.gateway.v1 import gateway_service_pb2 as gateway_pb
from hauberk.gateway.v1 import gateway_service_pb2_grpc as gateway_grpc

from services.kit import certs, channels
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import write_private
from services.kit.server import App, Mount, Server, interceptor_of
from services.kit.settings import ServiceSettings
from services.kit.tls import TlsFiles
from services.kit.txn_token import ALGORITHM, TYP, TokenVerifier, claims_of

DOMAIN = "hauberk.local"
ISSUER = f"https://auth.{DOMAIN}"
SHOP = "backend/shop"
DETAILS_KEY = "grpc-status-details-bin"
Handler = Callable[[Any, Any], Any]


class Mint:
    """Stands for auth: mints transaction tokens and publishes its keys."""

    def __init__(self) -> None:
        self.generation = 0
        self._private = {"k1": ec.generate_private_key(ec.SECP256R1())}

    def find(self, kid: str) -> Any | None:
        key = self._private.get(kid)
        return key and key.public_key()

    def withdraw(self) -> None:
        """A rotation that drops the only key for a fresh one of another name."""
        self._private = {"k2": ec.generate_private_key(ec.SECP256R1())}
        self.generation += 1

    def token(
        self,
        *,
        headers: Mapping[str, Any] | None = None,
        key: Any = None,
        algorithm: str = ALGORITHM,
        without: Sequence[str] = (),
        workload: str = SHOP,
        scopes: Sequence[str] = ("chat",),
        **claims: Any,
    ) -> str:
        """A valid token, but for what the arguments change."""
        now = int(time.time())
        caller = Caller(
            organisation="acme",
            subject="ada",
            brand="acme-chat",
            txn=secrets.token_hex(8),
            workload=workload,
            org_mac="proof",
            expires_at=now + 60,
            scopes=frozenset(scopes),
        )
        body = claims_of(caller, issuer=ISSUER, audience=DOMAIN, jti=secrets.token_hex(8), issued_at=now) | claims
        for name in without:
            del body[name]
        kid = next(iter(self._private))
        signer: Any = None if algorithm == "none" else key or self._private[kid]
        head = {"typ": TYP, "kid": kid} | dict(headers or {})
        if head["kid"] is None:
            del head["kid"]
        return jwt.encode(body, signer, algorithm, headers=head)


class Auth(auth_grpc.AuthServiceServicer):
    """Every method runs what the test put under its name; anything else is the generated "not implemented"."""

    def __init__(self) -> None:
        self.does: dict[str, Handler] = {}
        self.reached: list[str] = []

    async def run(self, name: str, request: Any, context: Any, base: Any) -> Any:
        self.reached.append(name)
        handler = self.does.get(name)
        return await handler(request, context) if handler else base(request, context)

    async def Authenticate(self, request: Any, context: Any) -> Any:
        return await self.run("Authenticate", request, context, super().Authenticate)

    async def CreateSession(self, request: Any, context: Any) -> Any:
        return await self.run("CreateSession", request, context, super().CreateSession)

    async def CreateApiKey(self, request: Any, context: Any) -> Any:
        return await self.run("CreateApiKey", request, context, super().CreateApiKey)

    async def GetJwks(self, request: Any, context: Any) -> Any:
        return await self.run("GetJwks", request, context, super().GetJwks)

    async def WatchRevocations(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.reached.append("WatchRevocations")
        async for answer in self.does["WatchRevocations"](request, context):
            yield answer


class Gateway(gateway_grpc.GatewayServiceServicer):
    """The two-way stream, and nothing else."""

    async def CompleteStream(self, request: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for part in request:
            yield gateway_pb.CompleteStreamResponse(chunk=part.chunk)


class World:
    """The running application with the ways to call it."""

    def __init__(self, folder: Path, server: Server, joined: InProcessServer, auth: Auth, mint: Mint) -> None:
        self.folder = folder
        self.server = server
        self.auth = auth
        self.mint = mint
        self._joined = joined

    @asynccontextmanager
    async def channel(self, transport: str, workload: str = SHOP, files: TlsFiles | None = None) -> AsyncIterator[Any]:
        """A channel of a workload over mTLS (`tcp`) or without a socket (`inprocess`)."""
        if transport == "inprocess":
            yield InProcessChannel(self._joined, f"spiffe://{DOMAIN}/{workload}")
            return
        files = files or certs.issue(self.folder, DOMAIN, workload)
        async with channels.connect(f"127.0.0.1:{self.server.port}", "auth", files) as channel:
            yield channel


def settings_of(**changes: Any) -> ServiceSettings:
    """Settings with free ports."""
    values: dict[str, Any] = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "deadline_limit": 2.0, "drain": 2.0}
    return ServiceSettings(**(values | changes))


def app_of(auth: Auth) -> App:
    """The application under test."""
    return App(
        "auth",
        [
            Mount(auth, auth_grpc.add_AuthServiceServicer_to_server, service("AuthService", auth_pb)),
            Mount(Gateway(), gateway_grpc.add_GatewayServiceServicer_to_server, service("GatewayService", gateway_pb)),
        ],
    )


def service(name: str, module: Any) -> Any:
    """A service's descriptor."""
    return module.DESCRIPTOR.services_by_name[name]


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[World]:
    """The application on a TCP port and in-process, sharing one interceptor."""
    auth, mint, settings = Auth(), Mint(), settings_of(**changes)
    app = app_of(auth)
    verifier = TokenVerifier(mint, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
    interceptor = interceptor_of(app, settings, verifier)
    joined = InProcessServer(interceptor)
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, joined)
    server = Server(settings, [(app, interceptor)], certs.issue(folder, DOMAIN, "auth", serves=["auth"]))
    async with AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        yield World(folder, server, joined, auth, mint)


def certificate(folder: Path, stem: str, names: Sequence[x509.GeneralName]) -> TlsFiles:
    """A certificate of the folder's own authority with any alternative names."""
    certs.issue(folder, DOMAIN, "auth", serves=["auth"])  # makes the authority
    authority = serialization.load_pem_private_key((folder / "ca.pem").read_bytes(), None)
    assert isinstance(authority, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    signed = builder.sign(authority, hashes.SHA256())
    files = TlsFiles(folder / f"{stem}.crt", folder / f"{stem}.pem", folder / "ca.crt")
    pem = serialization.Encoding.PEM
    write_private(files.key, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    files.cert.write_bytes(signed.public_bytes(pem))
    return files


async def refused(call: Awaitable[Any]) -> aio.AioRpcError:
    """The status of a call that must fail."""
    try:
        await call
    except aio.AioRpcError as error:
        return error
    raise AssertionError("the call was answered")


def details(error: aio.AioRpcError, kind: type[Any]) -> list[Any]:
    """The google.rpc details of one type that a status carries."""
    found = []
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            assert isinstance(value, bytes)
            for packed in status_pb2.Status.FromString(value).details:
                detail = kind()
                if any_pb2.Any.Unpack(packed, detail):
                    found.append(detail)
    return found


def everything_in(error: aio.AioRpcError) -> str:
    """All that a status says, to search for what it must not say."""
    trailing = b"".join(v if isinstance(v, bytes) else v.encode() for _, v in error.trailing_metadata() or ())
    return f"{error.code()} {error.details()} {error.debug_error_string()} {trailing.decode('latin-1')}"


def login(**fields: Any) -> auth_pb.AuthenticateRequest:
    """A well-formed request of a method that needs no token."""
    return auth_pb.AuthenticateRequest(credential=auth_pb.Credential(api_key="hk_live_x"), **fields)


CODE = grpc.StatusCode
