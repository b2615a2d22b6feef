"""A whole stack whose every peer and every store can be broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from unittest.mock import patch

import psycopg
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from redis.asyncio import Redis

from embedded import assembly
from services.kit.settings import ServiceSettings
from tests.support.altered import altered_stack
from tests.support.backend import DEADLINE, Backend, allowed, by_key
from tests.support.fault_cases import STORES
from tests.support.faults import Faults
from tests.support.store_proxy import StoreProxy
from tests.support.stores import make_folder
from tests.support.waiting import eventually

SSN = "457-55-5462"
BUDGET = 1.2  # seconds for a whole chain, so that what is slow is soon late
SCHEMA = json.dumps({"type": "object", "properties": {"brand": {"type": "string", "x-resource": "Brand"}}})


@dataclass
class Lab:
    """A stack whose every peer and store can be broken."""

    backend: Backend
    faults: Faults
    proxies: dict[tuple[str, str], StoreProxy]
    brands: list[str] = field(default_factory=list)

    async def healthy(self) -> None:
        """Whatever was broken has been found again."""

        async def answers() -> bool:
            ready = await self.ready("Complete")
            return bool(ready.admission) and allowed(await self.backend.complete(ready.admission, "Fine."))

        async def quietly() -> bool:
            try:
                return await answers()
            except (aio.AioRpcError, AssertionError):
                return False

        assert await eventually(quietly, 15.0), "the stack did not come back by itself"

    async def lose_budgets(self) -> None:
        """Redis no longer vouches for the budgets of the lab's organisation, as after it was emptied."""
        raw = Redis.from_url(self.backend.stack.stores.redis.url)
        await raw.delete(f"hk:ratelimit:{{{self.backend.stack.organisation}}}:seeded")
        await raw.aclose()

    def rows(self, statement: LiteralString, *values: str) -> list[tuple[Any, ...]]:
        """What the database has, past every policy."""
        with psycopg.connect(self.backend.stack.stores.postgres.admin_dsn, autocommit=True) as admin:
            return admin.execute(statement, values).fetchall()

    async def ready(self, chain: str) -> Ready:
        """What a case of this chain needs, made while all is well."""
        backend = self.backend
        ready = Ready()
        if chain == "Admit":
            ready.newcomer = await backend.member()
            return ready
        answer = await backend.admit(await backend.member(), f"My SSN is {SSN}")
        ready.admission = answer.admission
        if chain == "AuthorizeToolCall":
            ready.tool = await backend.tool(SCHEMA)
        return ready

    async def new_key(self) -> auth.Credential:
        """A key that no process has seen in use."""
        made = await AuthServiceStub(self.backend.channel("auth")).CreateApiKey(
            auth.CreateApiKeyRequest(subject=self.backend.stack.admin, scopes=["chat"]),
            timeout=DEADLINE,
            metadata=await self.backend.administer(),
        )
        return by_key(made.api_key)

    async def handed(self) -> auth.Credential:
        """A context token for the lab's brand."""
        handoff = pb.ContextHandoff(target_brand=self.brands[0], body=b"x")
        answer = await self.backend.admit(await self.backend.member(), handoff=handoff)
        return auth.Credential(context_token=answer.context_token)


@dataclass
class Ready:
    """A user who was never here, an admission with a value to restore, a tool: as the chain needs them."""

    newcomer: auth.Credential = field(default_factory=auth.Credential)
    admission: str = ""
    tool: str = ""


class Doors:
    """A proxy before each store of each service."""

    def __init__(self, base: Path) -> None:
        self._stores: dict[str, Path] = {}
        self.proxies: dict[tuple[str, str], StoreProxy] = {}
        for case in STORES:
            socket = ".s.PGSQL.5432" if case.store == "postgres" else "redis.sock"
            path = base / f"{case.service}-{case.store}" / socket
            self.proxies[case.service, case.store] = StoreProxy(case.store, path, self._upstream(case.store))

    def _upstream(self, kind: str) -> Any:
        return lambda: self._stores[kind]

    def settings_for(self, stores: Any, options: Any) -> dict[str, ServiceSettings]:
        """In place of `assembly.settings_for`: every store through its door, every chain in a hurry."""
        self._stores = {
            "redis": Path(stores.redis.socket),
            "postgres": Path(stores.postgres.endpoint.host) / ".s.PGSQL.5432",
        }
        found = _genuine(stores, options)
        return {name: own.model_copy(update=self._changed(name, own)) for name, own in found.items()}

    def _changed(self, name: str, own: ServiceSettings) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if "admit_budget" in type(own).model_fields:
            changed |= {"admit_budget": BUDGET, "complete_budget": BUDGET}
        redis, postgres = self.proxies.get((name, "redis")), self.proxies.get((name, "postgres"))
        if redis is not None:
            address = own.redis_url.get_secret_value().replace(str(self._stores["redis"]), str(redis.path))
            changed["redis_url"] = SecretStr(address)
        if postgres is not None:
            address = make_conninfo(own.database_url.get_secret_value(), host=str(postgres.path.parent))
            changed["database_url"] = SecretStr(address)
        return changed


_genuine = assembly.settings_for


@asynccontextmanager
async def running_lab() -> AsyncIterator[Lab]:
    base = make_folder()
    faults, doors = Faults(), Doors(base)
    for proxy in doors.proxies.values():
        await proxy.start()
    try:
        async with altered_stack(
            patch.object(assembly, "settings_for", doors.settings_for),
            patch.object(assembly, "_channel", faults.channels()),
        ) as stack:
            made = Lab(Backend(stack), faults, doors.proxies)
            made.brands.append(await made.backend.brand())
            yield made
    finally:
        for proxy in doors.proxies.values():
            await proxy.stop()
        shutil.rmtree(base, ignore_errors=True)
