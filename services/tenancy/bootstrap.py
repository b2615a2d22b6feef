"""Builds the tenancy service; the only place that names its adapters."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import add_TenancyServiceServicer_to_server

from services.kit.postgres import Database
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.tenancy.adapters.cached import CachedFacts
from services.tenancy.adapters.lifecycle import PostgresLifecycle
from services.tenancy.adapters.postgres import PostgresStore
from services.tenancy.directory import Directory
from services.tenancy.policy import Engine, PolicyInvalidError
from services.tenancy.servicer import Core, TenancyServicer
from services.tenancy.settings import TenancySettings

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["TenancyService"]


async def build(settings: TenancySettings, wiring: Wiring) -> App:
    """The application; raises SettingsError when the policies or the database address are not usable."""
    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsError("database_url: the tenancy service needs PostgreSQL")
    engine = load_engine(settings.tenancy_policies)
    database = Database(url, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    store = PostgresStore(database)
    remembered = CachedFacts(store, settings.tenancy_cache_seconds)
    zones = frozenset(zoneinfo.available_timezones() | {"UTC"})
    core = Core(
        engine,
        remembered,
        store,
        PostgresLifecycle(database),
        Directory(store, remembered, engine, zones),
        frozenset(settings.tenancy_plans),
    )
    return App("tenancy", [Mount(TenancyServicer(core), add_TenancyServiceServicer_to_server, DESCRIPTOR)])


def load_engine(folder: Path) -> Engine:
    """The policy set of a folder; raises SettingsError when it must not be used."""
    try:
        schema = (folder / "schema.cedarschema").read_text(encoding="utf-8")
        texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.cedar"))]
        return Engine("\n".join(texts), schema)
    except OSError as error:
        raise SettingsError(f"tenancy_policies: the folder cannot be read ({type(error).__name__})") from None
    except PolicyInvalidError as error:
        raise SettingsError(f"tenancy_policies: {error}") from None
