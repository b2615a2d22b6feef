"""The audit service on a real PostgreSQL, behind its layers, with trails that lead to it."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from pydantic import SecretStr

from services.audit.adapters.anchors import FolderAnchor
from services.audit.adapters.sealing import PostgresSealing
from services.audit.bootstrap import build
from services.audit.flows.checkpoints import Checkpoints
from services.audit.settings import AuditSettings
from services.audit.signatures import CheckpointSigner
from services.kit.audit import Event, SpooledTrail
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.key_kinds import signing_key
from services.kit.keys import KeyRing
from services.kit.postgres import Database
from services.kit.server import App, Wiring, interceptor_of
from services.kit.txn_token import METADATA_KEY, TokenVerifier
from tests.support.stores import DataStores
from tests.unit.kit.world import DOMAIN, ISSUER, Mint

BACKEND = "backend/shop"
_CALLS = {"auth": "authenticate", "tenancy": "authorize", "ratelimit": "decide", "gateway": "admit"}
KEYS = {
    "HAUBERK_KEY_AUDIT_KEK": "1:" + base64.b64encode(bytes(range(32))).decode(),
    "HAUBERK_KEY_CHECKPOINT": "1:" + base64.b64encode(signing_key()).decode(),
}


@dataclass(frozen=True)
class House:
    """The service, and organisations of its own for each test."""

    stores: DataStores
    settings: AuditSettings
    app: App
    server: InProcessServer
    mint: Mint
    sealing: PostgresSealing
    checkpoints: Checkpoints
    anchor: FolderAnchor

    def organisation(self) -> str:
        """A name nobody has used."""
        return f"org-{secrets.token_hex(6)}"

    def channel(self, workload: str) -> Any:
        return InProcessChannel(self.server, f"spiffe://{DOMAIN}/{workload}")

    def stub(self, workload: str = BACKEND) -> Any:
        return AuditServiceStub(self.channel(workload))

    def bearer(self, organisation: str, scopes: tuple[str, ...] = ("audit.read",), **claims: Any) -> Any:
        """Metadata of a caller of an organisation."""
        proof = self.stores.proof(organisation)
        token = self.mint.token(scopes=scopes, tenant=organisation, org_mac=proof, **claims)
        return [(METADATA_KEY, token)]

    async def append(self, *events: pb.Event, workload: str = "auth") -> int:
        answer = await self.stub(workload).Append(pb.AppendRequest(events=events), timeout=10)
        return int(answer.stored)

    async def fill(self, organisation: str, count: int) -> list[str]:
        """A chain of `count` events; their ids in order."""
        events = [event(organisation, at=1_700_000_000 + number) for number in range(count)]
        for start in range(0, count, 500):
            await self.append(*events[start : start + 500])
        await self.seal(organisation)
        return [each.event_id for each in events]

    async def seal(self, organisation: str) -> None:
        """Puts what came in into the chain, as the sealer would a moment later."""
        while (await self.admin("SELECT audit.seal(%s, 500)", [organisation]))[0][0]:
            pass

    async def sign(self, organisation: str) -> None:
        """A checkpoint at the end of the chain, brought to the anchor, as would happen within a minute."""
        await self.seal(organisation)
        await self.checkpoints.sign(organisation)
        signed = await self.sealing.last_checkpoint(organisation)
        assert signed is not None
        await self.anchor.put(signed)

    async def export(self, organisation: str, **asked: Any) -> bytes:
        """All pages of an export."""
        data, token = bytearray(), ""
        while True:
            request = pb.ExportRequest(page_token=token, **asked)
            page = await self.stub().Export(request, metadata=self.bearer(organisation), timeout=10)
            data += page.chunk
            token = page.next_page_token
            if not token:
                return bytes(data)

    async def verify(self, organisation: str) -> pb.VerifyResponse:
        metadata = self.bearer(organisation)
        answer: pb.VerifyResponse = await self.stub().Verify(pb.VerifyRequest(), metadata=metadata, timeout=10)
        return answer

    async def stored(self, organisation: str) -> list[str]:
        """The ids of what lies in the store, in order of the chain, without the record of reading."""
        await self.seal(organisation)
        rows = await self.admin("SELECT event_id FROM audit.events WHERE org_id = %s ORDER BY sequence", [organisation])
        return [row[0] for row in rows if "/audit/" not in row[0]]

    async def admin(self, statement: Any, values: Any = ()) -> list[tuple[Any, ...]]:
        """As the database's administrator, whom no policy holds."""
        async with await psycopg.AsyncConnection.connect(self.stores.admin_dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    def trail(self, folder: Path, service: str = "auth", **limits: Any) -> SpooledTrail:
        return SpooledTrail(folder, **limits).connect(service, self.channel(service))


def event(organisation: str, service: str = "auth", at: float = 0.0, **more: Any) -> pb.Event:
    more = {"code": f"{service}.{_CALLS[service]}", **more}
    made = Event(f"{secrets.token_hex(8)}/{service}/Test/1", at=at or time.time(), organisation=organisation, **more)
    return made.message(service)


@asynccontextmanager
async def opened(stores: DataStores, anchors: Path) -> AsyncIterator[House]:
    url = SecretStr(stores.service_dsn("audit"))
    settings = AuditSettings.model_validate(
        {
            "database_url": url,
            "sealer_database_url": SecretStr(stores.service_dsn("audit_sealer")),
            "store_timeout": 3.0,
            "audit_verify_page": 100,
            "audit_anchor_folder": anchors,
        }
    )

    def dial(_: str) -> Any:
        raise AssertionError("audit calls no peer")

    async with AsyncExitStack() as stack:
        app = await build(settings, Wiring(KeyRing(None, KEYS), dial, SystemClock(), stack))
        mint = Mint()
        verifier = TokenVerifier(mint, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
        server = InProcessServer(interceptor_of(app, settings, verifier))
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, server)
        database = Database(stores.service_dsn("audit_sealer"), max_size=2)
        await database.open()
        stack.push_async_callback(database.close)
        sealing, anchor = PostgresSealing(database), FolderAnchor(anchors)

        async def unheard(_: Any) -> int:
            return 0

        signer = CheckpointSigner(KeyRing(None, KEYS))
        checkpoints = Checkpoints(sealing, signer, SystemClock(), [anchor], unheard, seconds=60, events=1000)
        yield House(stores, settings, app, server, mint, sealing, checkpoints, anchor)
