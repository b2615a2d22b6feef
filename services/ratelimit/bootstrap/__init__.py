"""Builds the rate-limit service: the only file that names concrete adapters."""

from __future__ import annotations

from pathlib import Path

from hauberk.envoy.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc

from services.kit.audit import Trail
from services.kit.clock import Clock
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.adapters.operator_trail import OperatorTrail
from services.ratelimit.adapters.overrides import PostgresOverrides
from services.ratelimit.adapters.policy_file import PolicyFile, load_policy
from services.ratelimit.adapters.redis_descriptors import RedisDescriptors
from services.ratelimit.adapters.redis_penalties import RedisPenalties
from services.ratelimit.bootstrap.ledger import Durable, durable, without_ledger
from services.ratelimit.flows.abuse import Abuse
from services.ratelimit.flows.edge import Edge
from services.ratelimit.flows.operating import Operating
from services.ratelimit.limiter import Limiter
from services.ratelimit.policy import PolicyDocument, PolicyError
from services.ratelimit.policy.learning import Estimator
from services.ratelimit.servicer import RateLimitServicer
from services.ratelimit.servicer.envoy import EnvoyServicer
from services.ratelimit.servicer.penalties import Beside
from services.ratelimit.settings import RateLimitSettings

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["RateLimitService"]
ENVOY = rls_pb2.DESCRIPTOR.services_by_name["RateLimitService"]


async def build(settings: RateLimitSettings, wiring: Wiring) -> App:
    """The application; raises SettingsError when the policy or the address of the store is wrong. Redis need not be
    up: while it is away each limit answers as its policy says."""
    url = settings.redis_url.get_secret_value()
    if not url:
        raise SettingsError("redis_url: the address of Redis is required")
    try:
        document = load_policy(settings.ratelimit_policy)
    except PolicyError as error:
        raise SettingsError(f"ratelimit_policy: {error}") from None
    store = RedisStore(url, settings.store_timeout)
    wiring.stack.push_async_callback(store.close)
    overrides = await _overrides(settings, wiring)
    return application(
        store,
        document,
        wiring.clock,
        settings.envoy_deadline,
        overrides=overrides,
        file=settings.ratelimit_policy,
        trail=wiring.trail,
        counters=await durable(settings, store, wiring),
    )


async def _overrides(settings: RateLimitSettings, wiring: Wiring) -> PostgresOverrides | None:
    """Grants need PostgreSQL; without its address there are none. It need not be up."""
    url = settings.database_url.get_secret_value()
    if not url:
        return None
    database = Database(
        url, max_size=2, acquire_seconds=settings.store_timeout, statement_seconds=settings.store_timeout
    )
    await database.open()
    wiring.stack.push_async_callback(database.close)
    return PostgresOverrides(database, wiring.clock)


def application(
    store: RedisStore,
    document: PolicyDocument,
    clock: Clock,
    envoy_deadline: float = 0.02,
    *,
    overrides: PostgresOverrides | None = None,
    file: Path | None = None,
    trail: Trail | None = None,
    counters: Durable | None = None,
) -> App:
    """The service over one store and one policy, which is read again when its `file` changes."""
    local = MemoryShare(clock, document.degraded.share_permille)
    counters = counters or without_ledger(store, clock)
    limiter = Limiter(counters.limits, local, document, clock, overrides)
    # What the servicer does not override answers UNIMPLEMENTED.
    penalties = RedisPenalties(store, ledger=counters.entries, touched=counters.touched)
    abuse = Abuse(penalties, document)
    operating = Operating(penalties, overrides, OperatorTrail(trail, clock), document, clock)
    servicer = RateLimitServicer(limiter, Beside(abuse, operating, Estimator()))
    edge = Edge(RedisDescriptors(store), document.envoy, envoy_deadline)
    mounts = [
        Mount(servicer, pb_grpc.add_RateLimitServiceServicer_to_server, DESCRIPTOR),
        Mount(EnvoyServicer(edge), rls_pb2_grpc.add_RateLimitServiceServicer_to_server, ENVOY),
    ]

    def adopt(changed: PolicyDocument) -> None:
        limiter.adopt(changed)
        abuse.adopt(changed)
        operating.adopt(changed)
        local.permille = changed.degraded.share_permille
        edge.use(changed.envoy)

    beside = [*counters.background]
    beside += [overrides.keep_fresh] if overrides else []
    beside += [PolicyFile(file, adopt).keep_fresh] if file else []
    return App("ratelimit", mounts, beside)
