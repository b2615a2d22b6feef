"""Builds the audit service; the only place that names its adapters."""

from __future__ import annotations

from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.audit.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server

from services.audit.adapters.postgres import PostgresAudit
from services.audit.servicer import AuditServicer
from services.audit.settings import AuditSettings
from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["AuditService"]


async def build(settings: AuditSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError when the database address is missing."""
    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsError("database_url: the audit service needs PostgreSQL")
    database = Database(url, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    servicer = AuditServicer(PostgresAudit(database), wiring.clock, settings.audit_verify_page)
    return App("audit", [Mount(servicer, add_AuditServiceServicer_to_server, DESCRIPTOR)])
