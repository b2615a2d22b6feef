"""Builds the context-token service: the only place that names adapters."""

from __future__ import annotations

from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1 import context_token_service_pb2_grpc as rpc

from services.context_token.adapters.permissions import TenancyPermissions
from services.context_token.adapters.redis_store import RedisBodyStore
from services.context_token.adapters.sealing import KekSealer
from services.context_token.adapters.signing import KeySigner
from services.context_token.exchange import Exchange, Terms
from services.context_token.servicer import ContextTokenServicer
from services.context_token.settings import ContextTokenSettings
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError


async def build(settings: ContextTokenSettings, wiring: Wiring) -> App:
    """Raises KeyMissingError or SettingsError; waits for no store and no peer."""
    if not settings.redis_url.get_secret_value():
        raise SettingsError("redis_url: the address of Redis is required")
    signer, sealer = KeySigner(wiring.keys), KekSealer(wiring.keys)
    permissions = TenancyPermissions(wiring.channel("tenancy"))
    redis = RedisStore(settings.redis_url.get_secret_value(), settings.store_timeout)
    wiring.stack.push_async_callback(redis.close)
    store = RedisBodyStore(
        redis,
        wiring.clock,
        most_live=settings.context_token_live,
        retry_seconds=settings.context_token_retry_seconds,
    )
    terms = Terms(
        issuer=f"https://context.{settings.trust_domain}",
        trust_domain=settings.trust_domain,
        most_seconds=settings.context_token_seconds,
        scopes=settings.context_token_scopes,
    )
    exchange = Exchange(terms, store=store, sealer=sealer, signer=signer, permissions=permissions, clock=wiring.clock)
    descriptor = pb.DESCRIPTOR.services_by_name["ContextTokenService"]
    servicer = ContextTokenServicer(exchange, signer)
    return App("context-token", [Mount(servicer, rpc.add_ContextTokenServiceServicer_to_server, descriptor)])
