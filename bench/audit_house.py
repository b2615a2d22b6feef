"""The audit service by itself on a real PostgreSQL, behind its layers, for what is measured of it alone."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from pydantic import SecretStr

from embedded.layout import TRUST_DOMAIN
from embedded.stack import Stores, running_stores
from services.audit.adapters.reading import TenantReader
from services.audit.adapters.sealing import PostgresSealing
from services.audit.bootstrap import build
from services.audit.flows.checkpoints import Checkpoints
from services.audit.flows.reading import Reading
from services.audit.flows.sealer import Sealer
from services.audit.flows.verifying import Verifier
from services.audit.ports import Reader, Span
from services.audit.settings import AuditSettings
from services.audit.signatures import CheckpointSigner
from services.kit import org_proof
from services.kit.caller import Caller
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import ORG_MAC, KeyRing
from services.kit.postgres import Database
from services.kit.server import Wiring, interceptor_of

_SECONDS = 10.0


@dataclass(frozen=True)
class House:
    """The service and its parts; nothing runs beside unless it is asked for."""

    keys: KeyRing
    server: InProcessServer
    database: Database
    sealing: PostgresSealing
    checkpoints: Checkpoints
    reading: Reading

    def channel(self, workload: str) -> Any:
        """To the service, as a workload."""
        return InProcessChannel(self.server, f"spiffe://{TRUST_DOMAIN}/{workload}")

    async def append(self, events: Sequence[pb.Event]) -> int:
        """As the gateway."""
        stub = AuditServiceStub(self.channel("gateway"))
        answer = await stub.Append(pb.AppendRequest(events=events), timeout=_SECONDS)
        return int(answer.stored)

    async def verify(self, organisation: str) -> None:
        """The whole chain; raises RuntimeError when it does not hold."""
        verifier = Verifier(CheckpointSigner(self.keys).genuine, [], page=1000, most=10**9)
        outcome = await verifier.verify(self.reader(organisation))
        if outcome.finding.problem:
            raise RuntimeError(f"the chain does not verify: {outcome.finding}")

    async def export(self, organisation: str) -> bytes:
        """The whole chain, as JSON Lines."""
        reader, now = self.reader(organisation), int(time.time() * 1_000_000)
        place = await self.reading.begin(reader, Span(0, now))
        data = bytearray()
        while True:
            chunk = await self.reading.jsonl(reader, place, now)
            data += chunk.data
            if chunk.next is None:
                return bytes(data)
            place = chunk.next

    def reader(self, organisation: str) -> Reader:
        """As a caller of the organisation."""
        key = self.keys.secret(ORG_MAC)
        proof = org_proof.mint(organisation, time.time() + 300, key.kid, key.value)
        caller = Caller(organisation, "bench", "", secrets.token_hex(8), "backend/bench", proof, 0)
        return TenantReader(self.database, caller)

    @asynccontextmanager
    async def sealing_beside(self) -> AsyncIterator[None]:
        """With the sealer at work."""
        task = asyncio.create_task(Sealer(self.sealing, seconds=0.1, batch=500).run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def house(place: Path) -> AsyncIterator[House]:
    """On stores of its own."""
    async with running_stores(place) as stores, AsyncExitStack() as exits:
        yield await _built(stores, exits)


async def _built(stores: Stores, exits: AsyncExitStack) -> House:
    settings = AuditSettings.model_validate(
        {
            "database_url": SecretStr(stores.database_url("audit")),
            "sealer_database_url": SecretStr(stores.database_url("audit_sealer")),
            "trust_domain": TRUST_DOMAIN,
            "store_timeout": _SECONDS,
        }
    )

    def dial(kind: str) -> Any:
        raise RuntimeError(f"audit does not call {kind}")

    keys = KeyRing(stores.layout.keys)
    app = await build(settings, Wiring(keys, dial, SystemClock(), exits))
    server = InProcessServer(interceptor_of(app, settings, None))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    databases = [Database(stores.database_url(role), statement_seconds=_SECONDS) for role in ("audit", "audit_sealer")]
    for database in databases:
        await database.open()
        exits.push_async_callback(database.close)
    sealing = PostgresSealing(databases[1])
    await sealing.ensure_partitions()

    async def unheard(_: Any) -> int:
        return 0

    signer = CheckpointSigner(keys)
    checkpoints = Checkpoints(sealing, signer, SystemClock(), [], unheard, seconds=60, events=10_000)
    reading: Reading = app.mounts[0].servicer.reading
    return House(keys, server, databases[0], sealing, checkpoints, reading)
