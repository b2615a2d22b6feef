"""Builds the rate-limit service: the only file that names concrete adapters."""

from __future__ import annotations

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2_grpc as pb_grpc

from services.kit.clock import Clock
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError
from services.ratelimit.adapters.local_share import MemoryShare
from services.ratelimit.adapters.policy_file import load_policy
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.limiter import Limiter
from services.ratelimit.policy import PolicyDocument, PolicyError
from services.ratelimit.servicer import RateLimitServicer
from services.ratelimit.settings import RateLimitSettings

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["RateLimitService"]


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
    return application(store, document, wiring.clock)


def application(store: RedisStore, document: PolicyDocument, clock: Clock) -> App:
    """The service over one store and one policy."""
    local = MemoryShare(clock, document.degraded.share_permille)
    # What the servicer does not override answers UNIMPLEMENTED.
    servicer = RateLimitServicer(Limiter(RedisLimits(store, clock), local, document))
    return App("ratelimit", [Mount(servicer, pb_grpc.add_RateLimitServiceServicer_to_server, DESCRIPTOR)])
