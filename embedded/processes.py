"""One process per service, on the stores of a data folder: what `hauberk serve` runs, started and stopped together.

Between them is mutual TLS over TCP, as in production. Their certificates lie in a folder of their own, because here
each service has its own server name, and in the embedded stack one port has them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as gateway
from hauberk.gateway.v1 import gateway_service_pb2_grpc as gateway_grpc

from embedded import launch
from embedded.account import private_file
from embedded.assembly import DATABASES, issuers
from embedded.client import BACKEND, Connection
from embedded.errors import ServerFailedError
from embedded.layout import KINDS, TRUST_DOMAIN, Running
from embedded.ports import free_ports
from embedded.stack import Stack, Stores, running_stores
from services.kit import certs, channels
from services.kit.tls import TlsFiles

READY_SECONDS = 60.0
STOP_SECONDS = 8.0
_ROOT = Path(__file__).resolve().parents[1]


class Processes(Connection):
    """The running processes; a connection to them."""

    def __init__(self, stores: Stores, ports: Mapping[str, tuple[int, int]], otlp_endpoint: str = "") -> None:
        service, ops = ports["gateway"]
        running = Running(f"127.0.0.1:{service}", f"127.0.0.1:{ops}", os.getpid())
        super().__init__(stores.layout.folder, running)
        self.stores = stores
        self.ports = dict(ports)
        self._otlp_endpoint = otlp_endpoint
        self.place = self.folder / "processes"
        self.children: dict[str, asyncio.subprocess.Process] = {}

    def client(self, workload: str = BACKEND) -> TlsFiles:
        """Certificate and key of a workload, for these processes."""
        serves = [workload] if workload in KINDS else []
        return certs.issue(self.place / "tls", TRUST_DOMAIN, workload, serves=serves)

    def channel(self, kind: str, workload: str = BACKEND) -> aio.Channel:
        """An mTLS channel to the process of a service."""
        if (kind, workload) not in self._channels:
            address = f"127.0.0.1:{self.ports[kind][0]}"
            self._channels[kind, workload] = channels.connect(address, kind, self.client(workload))
        return self._channels[kind, workload]

    def settings_of(self, name: str) -> dict[str, Any]:
        """The settings file of a service."""
        files = self.client(name)
        found: dict[str, Any] = {
            "listen": f"127.0.0.1:{self.ports[name][0]}",
            "ops_listen": f"127.0.0.1:{self.ports[name][1]}",
            "trust_domain": TRUST_DOMAIN,
            "tls_cert": str(files.cert),
            "tls_key": str(files.key),
            "tls_ca": str(files.ca),
            "key_folder": str(self.layout.keys),
            "redis_url": self.stores.redis.url,
            "peers": {peer: f"127.0.0.1:{self.ports[peer][0]}" for peer in KINDS if peer not in (name, "gateway")},
            "audit_spool": str(self.place / "spool" / name),
            "log_level": "WARNING",
            "drain": 1.0,
            "otlp_endpoint": self._otlp_endpoint,
        }
        if name in DATABASES:
            found["database_url"] = self.stores.database_url(DATABASES[name])
        if name == "audit":
            found["sealer_database_url"] = self.stores.database_url("audit_sealer")
            found["audit_anchor_folder"] = str(self.layout.anchors)
        if name == "auth":
            found["issuers"] = issuers(self.layout)
        return found

    async def start(self, name: str) -> None:
        """Starts one service; it ends with this process, whatever happens to that."""
        config = self.place / f"{name}.yaml"
        private_file(config, yaml.safe_dump(self.settings_of(name)))
        module = "gateway" if name == "gateway" else f"services.{name.replace('-', '_')}"
        bound = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HAUBERK_")}
        log = os.open(self.stores.folder.log(f"service-{name}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.children[name] = await asyncio.create_subprocess_exec(
                *bound,
                "--",
                sys.executable,
                "-m",
                module,
                cwd=_ROOT,
                env={**environment, "HAUBERK_CONFIG": str(config)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def stop(self) -> None:
        """SIGTERM to all, SIGKILL to who does not obey."""
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        for child in self.children.values():
            try:
                await asyncio.wait_for(child.wait(), STOP_SECONDS)
            except TimeoutError:
                child.kill()
                await child.wait()

    async def ready(self) -> None:
        """Returns when every service serves and a request is admitted; raises ServerFailedError when it takes long."""
        deadline = time.monotonic() + READY_SECONDS
        for name in KINDS:
            while not await self._serves(name):
                self._still_hopeful(name, deadline)
                await asyncio.sleep(0.1)
        while not await self._admits():
            self._still_hopeful("gateway", deadline)
            await asyncio.sleep(0.1)

    def _still_hopeful(self, name: str, deadline: float) -> None:
        if self.children[name].returncode is not None or time.monotonic() > deadline:
            log = self.stores.folder.log(f"service-{name}")
            raise ServerFailedError(f"the process of {name} did not come up: see {log}")

    async def _serves(self, name: str) -> bool:
        async with aio.insecure_channel(f"127.0.0.1:{self.ports[name][1]}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
            except aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _admits(self) -> bool:
        request = gateway.AdmitRequest(
            credential=auth.Credential(api_key=self.api_key),
            brand=self.brand,
            conversation="ready",
            messages=[gateway.ChatMessage(role=decision.ROLE_USER, text="ready?")],
        )
        try:
            answer = await gateway_grpc.GatewayServiceStub(self.channel("gateway")).Admit(request, timeout=3)
        except aio.AioRpcError:
            return False
        return bool(answer.outcome in (decision.OUTCOME_ALLOW, decision.OUTCOME_THROTTLE))


@asynccontextmanager
async def running_processes(folder: Path, otlp_endpoint: str = "") -> AsyncIterator[Processes]:
    """Every service as a process of its own, spans to `otlp_endpoint`; the folder is seeded first when it is new."""
    async with Stack.running(folder):
        pass
    async with AsyncExitStack() as exits:
        stores = await exits.enter_async_context(running_stores(folder))
        ports = iter(free_ports(2 * len(KINDS)))
        processes = Processes(stores, {name: (next(ports), next(ports)) for name in KINDS}, otlp_endpoint)
        processes.place.mkdir(mode=0o700, exist_ok=True)
        exits.push_async_callback(processes.close)
        exits.push_async_callback(processes.stop)
        for name in KINDS:
            await processes.start(name)
        await processes.ready()
        yield processes
