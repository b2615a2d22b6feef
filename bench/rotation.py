"""`rotation`: every key and every certificate replaced while clients go on with Admit and Complete; nobody may notice.

In turn on the embedded stack and on one process per service: all keys are rotated together, and while the new
versions wait for their moment the authority is replaced in its three steps. What was made under the old keys (an
admission with a sealed value, a context token, a transaction token, an API key) is used after the change; then the old
versions are withdrawn by force, and the same things must be refused. `failed` counts calls that did not go through in
full health, `emergency_s` is how long a token of a withdrawn signing key was still taken.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpc import StatusCode, aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from bench.rows import Row, row
from bench.stacks import embedded, folder
from cli.asking import TIMEOUT, Gateway, by_context, by_jwt, by_key, question
from cli.certificates import examine, pairs_in, served_by
from cli.keyring import KeyPlace
from cli.members import TOKEN_KEY, Administrator
from embedded.administration import admin_dsn_of
from embedded.client import Connection
from embedded.layout import TRUST_DOMAIN
from embedded.processes import running_processes
from services.kit import certs
from services.kit.key_kinds import TXN_SIGNING
from services.kit.rotation import KeyFolder, State

PER_USER = 12
STEP = 2.0  # between two steps of a change of certificates: twice what a process needs to see one
CHANGED = 2.0  # after its moment, when a version is used everywhere
SEEN = 5.0  # after which a withdrawn version is known to be gone everywhere
ESTIMATE = pb.Estimate(model="self-hosted", output_tokens=16)
PHONE = "212-555-0147"
OTHER_BRAND = "acme-rotation"


async def run(small: bool) -> list[Row]:
    """A row for each kind of stack."""
    clients, settle = (3, 5.5) if small else (6, 20.0)
    async with folder() as place, embedded(place) as stack:
        keys = KeyPlace(KeyFolder(stack.layout.keys), admin_dsn_of(place))
        rows = [await rotated("embedded", stack, keys, stack.layout.tls, clients, settle)]
    async with folder() as place, running_processes(place) as processes:
        keys = KeyPlace(KeyFolder(processes.layout.keys), processes.stores.postgres.admin_dsn)
        rows.append(await rotated("processes", processes, keys, processes.place / "tls", clients, settle))
    return rows


async def rotated(case: str, stack: Connection, keys: KeyPlace, tls: Path, clients: int, settle: float) -> Row:
    """One stack, all keys, all certificates."""
    load = Load(stack)
    await load.prepare(users=clients * (12 + round(2 * settle)))  # enough that nobody meets a limit
    load.start(clients)
    old, older = await Made.by(stack), await Made.by(stack)
    names, begins = keys.folder.names(), time.time() + settle
    for name in names:
        await asyncio.to_thread(keys.introduce, name, begins - time.time())
    await replace_certificates(tls)
    await asyncio.sleep(max(0.0, begins + CHANGED - time.time()))
    load.phase = "used"
    accepted = await old.used(stack)
    load.phase = "withdrawn"
    emergency = await withdraw_old(keys, names, older, stack)
    still = await older.used(stack)
    await load.stop()
    return row(
        case,
        load.seconds,
        failed=len(load.failures),
        keys=len(names),
        old_accepted=sum(accepted.values()),
        withdrawn_accepted=sum(still.values()),
        emergency_s=round(emergency, 2),
        **{f"lost_{name}": 1 for name, taken in accepted.items() if not taken},
        **{f"kept_{name}": 1 for name, taken in still.items() if taken},
        **({"first_failure": load.failures[0]} if load.failures else {}),
    )


async def replace_certificates(tls: Path) -> None:
    """A new authority beside the old one, every certificate from it, then the new one alone."""
    certs.add_authority(tls)
    await asyncio.sleep(STEP)
    for files in list(pairs_in(tls)):
        workload = examine(files).workload.partition(f"//{TRUST_DOMAIN}/")[2]
        certs.issue(tls, TRUST_DOMAIN, workload, serves=served_by(files.cert), renew=True)
    await asyncio.sleep(STEP)
    certs.drop_older_authorities(tls)


async def withdraw_old(keys: KeyPlace, names: list[str], older: Made, stack: Connection) -> float:
    """By force, the signing key last; returns how long a token of that one was still taken."""
    await _withdraw(keys, [TXN_SIGNING])
    withdrawn = time.monotonic()
    for _ in range(100):
        if not await older.token_taken(stack):
            break
        await asyncio.sleep(0.1)
    emergency = time.monotonic() - withdrawn
    await _withdraw(keys, names)
    await asyncio.sleep(SEEN)
    return emergency


async def _withdraw(keys: KeyPlace, names: list[str]) -> None:
    for name in names:
        for version in keys.folder.versions(name):
            if version.state is State.KEPT:
                await asyncio.to_thread(keys.withdraw, version, erase=False)


@dataclass
class Made:
    """What was made under the keys of a moment."""

    admission: str
    context: str
    token: str
    key: str

    @classmethod
    async def by(cls, stack: Connection) -> Made:
        """One of each, for users who do nothing else."""
        name = f"made-{time.time_ns()}"
        administrator = Administrator(stack)
        await administrator.put_brand(OTHER_BRAND)
        await administrator.add([name], [stack.brand, OTHER_BRAND])
        gateway, credential = Gateway(stack.channel("gateway")), by_jwt(stack.user_jwt(name))
        handoff = pb.ContextHandoff(target_brand=OTHER_BRAND, body=b"what was talked about")
        asked = question(
            credential, stack.brand, f"Call me on {PHONE}.", conversation=name, estimate=ESTIMATE, handoff=handoff
        )
        answer = await gateway.admit(asked)
        asked_token = auth_pb.AuthenticateRequest(credential=by_key(stack.api_key), brand=stack.brand)
        token = await auth_grpc.AuthServiceStub(stack.channel("auth")).Authenticate(asked_token, timeout=TIMEOUT)
        key = await administrator.expiring_key(stack.admin, 3600)
        return cls(answer.admission, answer.context_token, token.txn_token, key)

    async def used(self, stack: Connection) -> dict[str, bool]:
        """Which of them are still taken. The admission only once: it is spent then."""
        gateway = Gateway(stack.channel("gateway"))
        came = await gateway.complete(self.admission, "I will call <PHONE_NUMBER>.")
        handed = await gateway.admit(
            question(by_context(self.context), OTHER_BRAND, "Go on.", conversation="c", estimate=ESTIMATE)
        )
        asked = auth_pb.AuthenticateRequest(credential=by_key(self.key), brand=stack.brand)
        known = await auth_grpc.AuthServiceStub(stack.channel("auth")).Authenticate(asked, timeout=TIMEOUT)
        return {
            "admission": came.outcome == common.OUTCOME_ALLOW and came.restored == 1,
            "context": handed.outcome == common.OUTCOME_ALLOW,
            "key": known.outcome == common.OUTCOME_ALLOW,
            "token": await self.token_taken(stack),
        }

    async def token_taken(self, stack: Connection) -> bool:
        """Asks a service directly with the transaction token."""
        stub = tenancy_grpc.TenancyServiceStub(stack.channel("tenancy"))
        try:
            asked = tenancy_pb.ListMembersRequest(page_size=1)
            await stub.ListMembers(asked, timeout=TIMEOUT, metadata=((TOKEN_KEY, self.token),))
        except aio.AioRpcError as error:
            if error.code() in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
                return False
            raise
        return True


@dataclass
class Load:
    """Clients that ask and answer one after the other until told to stop."""

    stack: Connection
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    phase: str = "introduced"
    _users: list[str] = field(default_factory=list)
    _clients: list[asyncio.Task[None]] = field(default_factory=list)
    _stop: bool = False

    async def prepare(self, users: int) -> None:
        """Members who have done nothing yet."""
        self._users = [f"load-{number:04}" for number in range(users)]
        await Administrator(self.stack).add(self._users)

    def start(self, clients: int) -> None:
        """Each client has users of its own, so that nobody meets a limit."""
        self._clients = [asyncio.create_task(self._client(self._users[n::clients])) for n in range(clients)]

    async def stop(self) -> None:
        """Waits for the calls under way; raises RuntimeError when there was no load to the end."""
        if any(client.done() for client in self._clients):
            raise RuntimeError("a client ended before the rotation did; the figures would mislead")
        self._stop = True
        await asyncio.gather(*self._clients)

    async def _client(self, users: list[str]) -> None:
        credentials = [by_jwt(self.stack.user_jwt(user, ttl=3000)) for user in users]
        gateway, sent = Gateway(self.stack.channel("gateway")), 0
        while not self._stop and sent < PER_USER * len(users):
            await self._one(gateway, credentials[sent % len(users)], f"{users[0]}-{sent}")
            sent += 1
            await asyncio.sleep(0.1)

    async def _one(self, gateway: Gateway, credential: Any, conversation: str) -> None:
        asked = question(credential, self.stack.brand, f"Call {PHONE}.", conversation=conversation, estimate=ESTIMATE)
        started = time.perf_counter()
        try:
            admitted = await gateway.admit(asked)
            if admitted.outcome != common.OUTCOME_ALLOW or admitted.degraded:
                self.failures.append(f"{self.phase}: Admit.{common.Reason.Name(admitted.reason)}")
                return
            came = await gateway.complete(admitted.admission, "I call <PHONE_NUMBER>.")
            if came.outcome != common.OUTCOME_ALLOW or came.restored != 1:
                self.failures.append(f"{self.phase}: Complete.{common.Reason.Name(came.reason)}")
                return
        except aio.AioRpcError as error:
            self.failures.append(f"{self.phase}: {error.code().name}")
            return
        self.seconds.append(time.perf_counter() - started)
