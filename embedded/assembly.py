"""Builds every service and the gateway in this process, joined by in-process channels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from embedded.issuer import AUDIENCE, issuer_of
from embedded.layout import TRUST_DOMAIN, Layout
from embedded.seed import ORGANISATIONS
from gateway import bootstrap as gateway_bootstrap
from gateway.settings import GatewaySettings
from services.audit import bootstrap as audit_bootstrap
from services.audit.settings import AuditSettings
from services.auth import bootstrap as auth_bootstrap
from services.auth.settings import AuthSettings
from services.context_token import bootstrap as context_token_bootstrap
from services.context_token.settings import ContextTokenSettings
from services.guardrail import bootstrap as guardrail_bootstrap
from services.guardrail.settings import GuardrailSettings
from services.kit.audit import SpooledTrail
from services.kit.call import LayeredInterceptor
from services.kit.clock import SystemClock
from services.kit.dropped import reporting
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.jwks import PeerKeys
from services.kit.keys import KeyRing
from services.kit.revocation_feed import FeedClient
from services.kit.run import fetch_jwks, run_background, verifier_of
from services.kit.server import App, Wiring, interceptor_of
from services.kit.settings import ServiceSettings
from services.kit.telemetry.tracing import Tracing
from services.ratelimit import bootstrap as ratelimit_bootstrap
from services.ratelimit.settings import RateLimitSettings
from services.redaction import bootstrap as redaction_bootstrap
from services.redaction.settings import RedactionSettings
from services.tenancy import bootstrap as tenancy_bootstrap
from services.tenancy.settings import TenancySettings

if TYPE_CHECKING:
    from embedded.stack import StackOptions, Stores

BUILDERS: dict[str, Any] = {
    "audit": audit_bootstrap.build,
    "auth": auth_bootstrap.build,
    "tenancy": tenancy_bootstrap.build,
    "ratelimit": ratelimit_bootstrap.build,
    "redaction": redaction_bootstrap.build,
    "guardrail": guardrail_bootstrap.build,
    "context-token": context_token_bootstrap.build,
    "gateway": gateway_bootstrap.build,
}
TYPES: dict[str, type[ServiceSettings]] = {
    "audit": AuditSettings,
    "auth": AuthSettings,
    "tenancy": TenancySettings,
    "ratelimit": RateLimitSettings,
    "redaction": RedactionSettings,
    "guardrail": GuardrailSettings,
    "context-token": ContextTokenSettings,
    "gateway": GatewaySettings,
}
# Workload kinds that read PostgreSQL, with the name of their role and schema.
DATABASES = {name: name for name in ("auth", "tenancy", "ratelimit", "redaction", "guardrail", "audit")}


@dataclass
class Parts:
    """What was built."""

    apps: list[tuple[App, LayeredInterceptor]] = field(default_factory=list)
    servers: dict[str, InProcessServer] = field(default_factory=dict)
    trails: list[SpooledTrail] = field(default_factory=list)
    keys: PeerKeys | None = None
    feed: FeedClient | None = None


def settings_for(stores: Stores, options: StackOptions) -> dict[str, ServiceSettings]:
    """Settings of each service of the folder; built from arguments alone, so that no variable changes them."""
    found: dict[str, ServiceSettings] = {}
    for name, kind in TYPES.items():
        own: dict[str, Any] = {}
        if name in DATABASES:
            own["database_url"] = SecretStr(stores.database_url(DATABASES[name]))
        if name == "audit":
            own["sealer_database_url"] = SecretStr(stores.database_url("audit_sealer"))
            own["audit_anchor_folder"] = stores.layout.anchors
        if name == "auth":
            own["issuers"] = [*issuers(stores.layout), *options.issuers]
        found[name] = kind.model_validate(
            {
                "listen": f"127.0.0.1:{options.gateway_port}",
                "ops_listen": f"127.0.0.1:{options.ops_port}",
                "trust_domain": TRUST_DOMAIN,
                "key_folder": stores.layout.keys,
                "redis_url": SecretStr(stores.redis.url),
                "log_level": options.log_level,
                **own,
            }
        )
    return found


def issuers(layout: Layout) -> list[dict[str, Any]]:
    """The development issuer, once for each organisation that it may speak for."""
    return [
        {
            "name": f"dev-{organisation.organisation}",
            "issuer": issuer_of(organisation.organisation),
            "audience": AUDIENCE,
            "organisations": [organisation.organisation],
            "jwks_file": str(layout.issuer_jwks),
            "algorithms": ["ES256"],
        }
        for organisation in ORGANISATIONS
    ]


async def assemble(
    exits: AsyncExitStack, settings: dict[str, ServiceSettings], layout: Layout, tracing: Tracing
) -> Parts:
    """Builds each service; channels between them carry the workload identity of whoever calls."""
    # Servers first, services then: whom a service calls may be built after it.
    parts = Parts(servers={name: InProcessServer() for name in BUILDERS})
    keys = PeerKeys(lambda: fetch_jwks(_channel(parts, "gateway")("auth")))
    verifier = verifier_of(keys, settings["auth"])
    # One memory of keys, tokens and revocations for the one process.
    feed = FeedClient(lambda: _channel(parts, "gateway")("auth"))
    feed.guard.drops(verifier.forget)
    for name, build in BUILDERS.items():
        trail = SpooledTrail(layout.spool / name).connect(name, _channel(parts, name)("audit"))
        wiring = Wiring(KeyRing(layout.keys), _channel(parts, name), SystemClock(), exits, trail)
        app = await build(settings[name], wiring)
        # Closed before the stores that the service opened, and after the last call: what waits is still brought away.
        exits.push_async_callback(trail.close)
        (app.guard or feed.guard).drops(*app.caches)
        interceptor = interceptor_of(app, settings[name], verifier, tracing, trail, feed.guard)
        parts.apps.append((app, interceptor))
        parts.trails.append(trail)
        parts.servers[name].interceptor = interceptor
        for mount in app.mounts:
            mount.add_to_server(mount.servicer, parts.servers[name])
    parts.keys, parts.feed = keys, feed
    return parts


async def start_background(exits: AsyncExitStack, parts: Parts) -> None:
    """Starts what runs beside the requests, and has the public keys before the first one comes."""
    assert parts.keys is not None and parts.feed is not None  # noqa: S101 - set by assemble
    await parts.keys.refresh()
    beside = {"auth": [parts.keys.keep_fresh, *parts.feed.beside]}
    for (app, _), trail in zip(parts.apps, parts.trails, strict=True):
        await run_background(exits, app, trail.ship, *beside.get(app.name, []))
    # One way out of the process for logs and spans: the gateway speaks for all.
    spoken = next(trail for (app, _), trail in zip(parts.apps, parts.trails, strict=True) if app.name == "gateway")
    await exits.enter_async_context(reporting(spoken, "gateway", SystemClock()))


def _channel(parts: Parts, own: str) -> Callable[[str], Any]:
    def channel(kind: str) -> Any:
        return InProcessChannel(parts.servers[kind], f"spiffe://{TRUST_DOMAIN}/{own}")

    return channel
