"""The tenancy service with all its layers on a PostgreSQL of its own, joined without a socket, for benchmarks."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from hauberk.tenancy.v1 import tenancy_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as pb_grpc
from pydantic import SecretStr

from embedded.datafolder import DataFolder
from embedded.postgres import PostgresServer
from services.kit.caller import Authentication, Caller
from services.kit.clock import SystemClock
from services.kit.database_roles import ROLES, role_of
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyRing
from services.kit.migrate import prepare_database
from services.kit.org_proof import mint
from services.kit.server import Wiring, interceptor_of
from services.kit.txn_token import ALGORITHM, METADATA_KEY, TYP, TokenVerifier, claims_of
from services.tenancy.bootstrap import build
from services.tenancy.settings import TenancySettings

ISSUER, DOMAIN = "https://bench.example", "bench.example"
MANAGE = frozenset({"policies.manage", "members.manage", "brands.manage", "decisions.explain"})
_KID, _ORG_KEY = "bench-1", secrets.token_bytes(32)
_LIFE = 3600

Metadata = list[tuple[str, str]]


@dataclass
class House:
    """The service, and what is needed to call it as anybody."""

    stub: Any
    admin_dsn: str
    service_dsn: str
    keys: Keys = field(repr=False)
    server: InProcessServer = field(repr=False)

    def as_(
        self,
        organisation: str,
        user: str,
        scopes: Iterable[str] = (),
        authentication: Authentication = Authentication(),  # noqa: B008 - frozen
    ) -> Metadata:
        """The metadata of a proven caller."""
        now = int(time.time())
        caller = Caller(
            organisation=organisation,
            subject=user,
            brand="shop",
            txn=f"txn-{secrets.token_hex(6)}",
            workload="backend/bench",
            org_mac=mint(organisation, now + _LIFE, _KID, _ORG_KEY),
            expires_at=now + _LIFE,
            scopes=frozenset(scopes),
            plan="pro",
            authentication=authentication,
        )
        return [(METADATA_KEY, self.keys.token(caller))]

    def proof(self, organisation: str) -> str:
        """The claim that opens an organisation's rows."""
        return mint(organisation, int(time.time()) + _LIFE, _KID, _ORG_KEY)

    async def sql(self, statement: str) -> None:
        """Fills tables, as the administrator of the database."""
        async with await psycopg.AsyncConnection.connect(self.admin_dsn, autocommit=True) as connection:
            await connection.execute(statement.encode())

    async def organisation(self, name: str, users: int, brands: int) -> None:
        """An organisation with owner ann, members `u0 ..` and brands `shop`, `b0 ..`."""
        await self.sql(
            f"""
            INSERT INTO tenancy.organisations (org_id, display_name, plan) VALUES ('{name}', '', 'pro');
            INSERT INTO tenancy.brands (org_id, brand_id)
                SELECT '{name}', 'b' || n FROM generate_series(0, {brands - 1}) n UNION SELECT '{name}', 'shop';
            INSERT INTO tenancy.members (org_id, user_id, roles, all_brands)
                SELECT '{name}', 'u' || n, '{{member}}'::text[], true FROM generate_series(0, {users - 1}) n
                UNION SELECT '{name}', 'ann', '{{owner}}'::text[], true;
            """
        )

    async def policies(self, organisation: str, text: str) -> None:
        """Puts own policies in force."""
        request = pb.PutPolicySetRequest(policies=text, use=pb.POLICY_USE_ENFORCE)
        await self.stub.PutPolicySet(request, metadata=self.as_(organisation, "ann", MANAGE), timeout=120)


class Keys:
    """Stands for auth's key set."""

    def __init__(self) -> None:
        self.generation = 0
        self.private = ec.generate_private_key(ec.SECP256R1())

    def find(self, _: str) -> Any | None:
        """The one key."""
        return self.private.public_key()

    def token(self, caller: Caller) -> str:
        """A transaction token as auth mints it."""
        claims = claims_of(caller, issuer=ISSUER, audience=DOMAIN, jti=secrets.token_hex(8), issued_at=int(time.time()))
        return jwt.encode(claims, self.private, ALGORITHM, headers={"typ": TYP, "kid": "bench"})


@asynccontextmanager
async def opened(**overrides: Any) -> AsyncIterator[House]:
    """A fresh house; `overrides` are settings of the service."""
    base = Path(tempfile.mkdtemp(prefix="hk-bench-"))
    base.chmod(0o711)  # noqa: ASYNC240 - once; an unprivileged account must be able to walk through it
    try:
        async with AsyncExitStack() as stack:
            postgres = PostgresServer(stack.enter_context(DataFolder(base / "data")))
            await postgres.start()
            stack.push_async_callback(postgres.stop)
            prepare_database(postgres.admin_dsn, dict.fromkeys(ROLES, "bench"), {_KID: _ORG_KEY})
            url = SecretStr(postgres.role_dsn(role_of("tenancy"), "bench"))
            settings = TenancySettings(
                trust_domain=DOMAIN, database_url=url, deadline_limit=120, **{"store_timeout": 10, **overrides}
            )
            server = await _served(settings, stack)
            channel: Any = InProcessChannel(server, f"spiffe://{DOMAIN}/backend/bench")
            stub = pb_grpc.TenancyServiceStub(channel)
            yield House(stub, postgres.admin_dsn, url.get_secret_value(), _KEYS, server)
    finally:
        shutil.rmtree(base, ignore_errors=True)


_KEYS = Keys()
CONTENT = {"HAUBERK_KEY_CONTENT_KEK": "1:" + base64.b64encode(secrets.token_bytes(32)).decode()}


async def _served(settings: TenancySettings, stack: AsyncExitStack) -> InProcessServer:
    def dial(_: str) -> Any:
        raise RuntimeError("the benchmark has no peers")

    app = await build(settings, Wiring(KeyRing(None, CONTENT), dial, SystemClock(), stack))
    verifier = TokenVerifier(_KEYS, issuer=ISSUER, audience=DOMAIN, clock=SystemClock())
    server = InProcessServer(interceptor_of(app, settings, verifier))
    for mount in app.mounts:
        mount.add_to_server(mount.servicer, server)
    return server
