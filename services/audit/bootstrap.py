"""Builds the audit service; the only place that names its adapters."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server

from services.audit.adapters.anchors import FolderAnchor, S3Anchor, S3Place, WebhookAnchor
from services.audit.adapters.inbox import PostgresInbox
from services.audit.adapters.reading import PostgresReaders
from services.audit.adapters.sealing import PlatformReader, PostgresSealing
from services.audit.catalogue import catalogue
from services.audit.flows.anchoring import Anchoring
from services.audit.flows.checkpoints import Checkpoints
from services.audit.flows.intake import Intake
from services.audit.flows.reading import Reading
from services.audit.flows.sealer import Sealer
from services.audit.flows.vault import Vault
from services.audit.flows.verifying import Verifier
from services.audit.ports import Anchor
from services.audit.response_bootstrap import Shared, response
from services.audit.servicer import AuditServicer, Flows
from services.audit.settings import AuditSettings
from services.audit.signatures import CheckpointSigner
from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["AuditService"]
_SEALER_CONNECTIONS = 4
_ANCHOR_SECONDS = 5.0


async def build(settings: AuditSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError when a database address is missing, KeyMissingError without its keys."""
    signer = CheckpointSigner(wiring.keys)
    database = await _database(settings, wiring, "database_url", 8)
    sealing = PostgresSealing(await _database(settings, wiring, "sealer_database_url", _SEALER_CONNECTIONS))
    inbox = PostgresInbox(database)
    vault = Vault(wiring.keys, inbox)
    sealer = Sealer(sealing, seconds=settings.audit_seal_seconds, batch=settings.audit_seal_batch)
    poked: list[Callable[[], None]] = [sealer.poke]

    def stored() -> None:
        for poke in poked:
            poke()

    intake = Intake(inbox, vault, catalogue(), stored)
    anchors = _anchors(settings, wiring)
    checkpoints = Checkpoints(
        sealing,
        signer,
        wiring.clock,
        anchors,
        intake.take,
        seconds=settings.audit_checkpoint_seconds,
        events=settings.audit_checkpoint_events,
    )
    readers = PostgresReaders(database, PlatformReader(sealing))
    responding = response(settings, wiring, Shared(database, sealing, readers, vault), intake.take)
    poked.append(responding.watcher.poke)
    flows = Flows(
        readers,
        intake,
        Reading(vault, signer, catalogue(), sealer.flush),
        Verifier(signer.genuine, anchors, page=settings.audit_verify_page, most=settings.audit_verify_most),
        vault,
        signer,
        catalogue(),
        responding.incidents,
        responding.desks,
        settings.response_traces,
    )
    mount = Mount(AuditServicer(flows, wiring.clock), add_AuditServiceServicer_to_server, DESCRIPTOR)
    anchoring = [Anchoring(sealing, wiring.clock, intake.take, anchor).run for anchor in anchors]
    return App("audit", [mount], [sealer.run, sealer.make_room, checkpoints.run, *anchoring, *responding.work])


async def _database(settings: AuditSettings, wiring: Wiring, name: str, most: int) -> Database:
    url = getattr(settings, name).get_secret_value()
    if not url:
        raise SettingsError(f"{name}: the audit service needs PostgreSQL")
    database = Database(
        url, max_size=most, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout
    )
    await database.open()
    wiring.stack.push_async_callback(database.close)
    return database


def _anchors(settings: AuditSettings, wiring: Wiring) -> list[Anchor]:
    found: list[Anchor] = []
    if settings.audit_anchor_folder:
        found.append(FolderAnchor(settings.audit_anchor_folder))
    if settings.audit_anchor_s3 or settings.audit_anchor_webhook:
        client = httpx.AsyncClient(timeout=_ANCHOR_SECONDS, follow_redirects=False, trust_env=False)
        wiring.stack.push_async_callback(client.aclose)
        if settings.audit_anchor_s3:
            s3 = settings.audit_anchor_s3
            secret = s3.secret_key.get_secret_value()
            place = S3Place(s3.endpoint, s3.bucket, s3.region, s3.prefix, s3.access_key, secret)
            found.append(S3Anchor(place, client, wiring.clock))
        if settings.audit_anchor_webhook:
            found.append(WebhookAnchor(settings.audit_anchor_webhook, client))
    return found
