"""The redaction service as it is served: every layer around it, real Redis behind it, tokens of our own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1 import redaction_service_pb2_grpc as pb_grpc
from pydantic import SecretStr

from services.kit.boundary import DETAILS_KEY
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import VersionedSecret
from services.kit.run import issuer_of
from services.kit.server import Wiring, interceptor_of
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.redaction.bootstrap import build
from services.redaction.settings import RedactionSettings
from tests.support.stores import DataStores

SIGNING = ec.generate_private_key(ec.SECP256R1())
KEK = VersionedSecret("k1", bytes(range(32)))


class Keys:
    """The key port and the set of public keys, of this test run."""

    generation = 0

    def __init__(self, kek: bytes = KEK.value) -> None:
        self._versions = [VersionedSecret(KEK.kid, kek)]

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self._versions

    def find(self, kid: str) -> Any | None:
        return SIGNING.public_key() if kid == "t1" else None


class World:
    """A mounted service."""

    def __init__(self, server: InProcessServer, settings: RedactionSettings, stores: DataStores) -> None:
        self._server = server
        self._stores = stores
        self._settings = settings

    def stub(self, workload: str = "gateway") -> pb_grpc.RedactionServiceAsyncStub:
        channel: Any = InProcessChannel(self._server, f"spiffe://{self._settings.trust_domain}/{workload}")
        return cast("pb_grpc.RedactionServiceAsyncStub", pb_grpc.RedactionServiceStub(channel))

    def token(
        self, organisation: str = "acme", workload: str = "gateway", seconds: int = 60, user: str = "user-1"
    ) -> list[tuple[str, str]]:
        now = int(time.time())
        proof = self._stores.proof(organisation)
        caller = Caller(organisation, user, "shop", "txn-1", workload, proof, now + seconds)
        domain = self._settings.trust_domain
        claims = claims_of(caller, issuer=issuer_of(self._settings), audience=domain, jti="j", issued_at=now)
        signed = jwt.encode(claims, SIGNING, ALGORITHM, headers={"typ": TYP, "kid": "t1"})
        return [(METADATA_KEY, signed)]

    async def redact(self, conversation: str, *texts: str, org: str = "acme", by: str = "gateway") -> pb.RedactResponse:
        request = pb.RedactRequest(conversation=conversation, texts=texts)
        response: pb.RedactResponse = await self.stub(by).Redact(request, metadata=self.token(org, by))
        return response

    async def restore(
        self, conversation: str, *texts: str, org: str = "acme", by: str = "gateway"
    ) -> pb.RestoreResponse:
        request = pb.RestoreRequest(conversation=conversation, texts=texts)
        response: pb.RestoreResponse = await self.stub(by).Restore(request, metadata=self.token(org, by))
        return response

    async def restore_json(
        self, conversation: str, *texts: str, keep: Sequence[str] = (), shown: bool = False
    ) -> pb.RestoreResponse:
        request = pb.RestoreRequest(conversation=conversation, texts=texts, format=pb.RESTORE_FORMAT_JSON, keep=keep)
        request.sink = pb.RESTORE_SINK_SHOWN if shown else pb.RESTORE_SINK_UNSPECIFIED
        response: pb.RestoreResponse = await self.stub().Restore(request, metadata=self.token())
        return response

    async def stream(self, conversation: str, pieces: Sequence[str]) -> list[str]:
        """The pieces that come back for these pieces."""

        async def chunks() -> AsyncIterator[pb.RestoreStreamRequest]:
            for place, piece in enumerate(pieces):
                yield pb.RestoreStreamRequest(conversation="" if place else conversation, chunk=piece)

        return [answer.chunk async for answer in self.stub().RestoreStream(chunks(), metadata=self.token())]


@asynccontextmanager
async def mounted(stores: DataStores, **changes: Any) -> AsyncIterator[World]:
    """The service over these stores."""
    addresses = {"redis_url": SecretStr(stores.redis_url), "database_url": SecretStr(stores.service_dsn("redaction"))}
    settings = RedactionSettings.model_validate({**addresses, **changes})
    keys = Keys()
    verifier = TokenVerifier(keys, issuer=issuer_of(settings), audience=settings.trust_domain, clock=SystemClock())
    async with AsyncExitStack() as stack:
        app = await build(settings, Wiring(keys, _no_peer, SystemClock(), stack))
        server = InProcessServer(interceptor_of(app, settings, verifier))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, server)
        yield World(server, settings, stores)


def _no_peer(kind: str) -> aio.Channel:
    """Tenancy is asked about changes of an organisation's rules alone, which are made on a whole stack."""
    assert kind == "tenancy", f"redaction asked for {kind}"
    return aio.insecure_channel("127.0.0.1:1")


def reason_of(error: aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a refusal."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return error.code(), info.reason
    return error.code(), ""
