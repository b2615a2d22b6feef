"""Builds the browser edge and the bot challenge: with `bootstrap`, the only place that names adapters."""

from __future__ import annotations

from services.auth.adapters.edge_sealing import KekSecretSealer
from services.auth.adapters.edge_store import PostgresEdgeStore, RedisReplayMarks
from services.auth.adapters.siteverify import Siteverify, client
from services.auth.flows.asking import Asking
from services.auth.flows.challenges import Budget, Challenges
from services.auth.flows.edge import Challenge, EdgeBook, Edges
from services.auth.flows.edge_events import EdgeEvents
from services.auth.flows.passes import Passes
from services.auth.policy.challenges import Provider
from services.auth.policy.edge_document import ChallengeRules, EdgePolicy
from services.auth.servicer.flows import EdgeFlows
from services.auth.settings import AuthSettings
from services.kit.deadline import remaining
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.server import Wiring
from services.kit.settings import Environment


def edge_flows(
    settings: AuthSettings,
    wiring: Wiring,
    redis: RedisStore,
    database: Database,
    rules: ChallengeRules,
    policy: EdgePolicy,
) -> EdgeFlows:
    """Raises KeyMissingError; waits for no store and no provider."""
    clock, production = wiring.clock, settings.environment is Environment.PRODUCTION
    store, sealer, events = PostgresEdgeStore(database), KekSecretSealer(wiring.keys), EdgeEvents(wiring.trail, clock)
    own = settings.challenge_widget
    common = Challenge(own.widget(), (own.secret.get_secret_value(),), shared=True) if own else None
    book = EdgeBook(store, sealer, clock, common, seconds=float(policy.memory_seconds), production=production)
    fetcher = client()
    wiring.stack.push_async_callback(fetcher.aclose)
    addresses = {Provider.TURNSTILE: settings.turnstile_url, Provider.HCAPTCHA: settings.hcaptcha_url}
    passes = Passes(sealer, clock)
    challenges = Challenges(
        book,
        Siteverify(addresses, fetcher),
        RedisReplayMarks(redis),
        passes,
        events,
        clock,
        _budget(rules),
        remaining,
    )
    edges = Edges(store, sealer, book, events, clock, policy.headers(), production=production)
    asking = Asking(rules.asking(), float(rules.failures_window_seconds), clock)
    return EdgeFlows(edges, challenges, passes, asking)


def _budget(rules: ChallengeRules) -> Budget:
    return Budget(
        total=rules.total_ms / 1000,
        attempt=rules.attempt_ms / 1000,
        attempts=rules.attempts,
        per_minute=rules.per_address_minute,
        failures=rules.breaker_failures,
        open_seconds=float(rules.breaker_open_seconds),
    )
