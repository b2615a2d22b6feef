"""Builds the context-token service: the only place that names adapters."""

from __future__ import annotations

import secrets

from hauberk.common.v1 import decision_pb2 as common
from hauberk.context_token.v1 import context_token_service_pb2 as pb
from hauberk.context_token.v1 import context_token_service_pb2_grpc as rpc

from services.context_token.adapters.permissions import TenancyPermissions
from services.context_token.adapters.redis_store import RedisBodyStore
from services.context_token.adapters.sealing import KekSealer
from services.context_token.adapters.signing import KeySigner
from services.context_token.exchange import Exchange, Heard, Terms
from services.context_token.policy.causes import Cause
from services.context_token.policy.model import Grant
from services.context_token.servicer import ContextTokenServicer
from services.context_token.settings import ContextTokenSettings
from services.kit.audit import Event, EventClass
from services.kit.redis import RedisStore
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError


async def build(settings: ContextTokenSettings, wiring: Wiring) -> App:
    """Raises KeyMissingError or SettingsError; waits for no store and no peer."""
    if not settings.redis_url.get_secret_value():
        raise SettingsError("redis_url: the address of Redis is required")
    signer, sealer = KeySigner(wiring.keys), KekSealer(wiring.keys)
    wiring.stack.callback(signer.close)
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
    exchange = Exchange(
        terms,
        store=store,
        sealer=sealer,
        signer=signer,
        permissions=permissions,
        clock=wiring.clock,
        refused=_refused(wiring),
    )
    descriptor = pb.DESCRIPTOR.services_by_name["ContextTokenService"]
    servicer = ContextTokenServicer(exchange, signer)
    return App("context-token", [Mount(servicer, rpc.add_ContextTokenServiceServicer_to_server, descriptor)])


def _refused(wiring: Wiring) -> Heard | None:
    if wiring.trail is None:
        return None
    trail = wiring.trail

    async def said(cause: Cause, consumer: str, grant: Grant | None) -> None:
        await trail.emit(_event(cause, consumer, grant, wiring.clock.now()))

    return said


def _event(cause: Cause, consumer: str, grant: Grant | None, at: float) -> Event:
    """A used token in other hands is an attack; anything else may be a mistake. Nothing unproven goes on record."""
    reused = cause is Cause.REPLAYED
    name = "token_reused" if reused else "token_refused"
    facts = {"kind": "context", "cause": cause.value, "workload": consumer}
    if grant is not None:
        facts |= {"session": grant.session_id, "key": grant.key_id}
    return Event(
        event_id=f"{secrets.token_hex(8)}/context-token/{name}/{secrets.token_hex(6)}",
        code=f"context_token.{name}",
        at=at,
        kind=EventClass.CRITICAL if reused else EventClass.DECISION,
        outcome=common.OUTCOME_DENY,
        reason=common.REASON_CONTEXT_NOT_ACCEPTED,
        organisation=grant.organisation if grant else "",
        actor=grant.subject if grant else consumer,
        txn=grant.txn if grant else "",
        facts={fact: value for fact, value in facts.items() if value},
    )
