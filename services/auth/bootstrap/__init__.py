"""Builds the auth service: the only place that names adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc

from services.auth.adapters.admission_store import RedisAdmissionStore
from services.auth.adapters.context_tokens import PeerContextTokens
from services.auth.adapters.directory import TenancyDirectory
from services.auth.adapters.epoch_feed import PostgresFeedStore
from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.adapters.epoch_mirror import RedisEpochMirror
from services.auth.adapters.jwks.cache import JwksCache
from services.auth.adapters.jwks.kept import KeptSet, usable
from services.auth.adapters.jwks.source import FileSource, Source, UrlSource, client
from services.auth.adapters.key_trail import KeyTrail
from services.auth.adapters.keys import KeyPepper, KeySigner
from services.auth.adapters.managers import PostgresManagers
from services.auth.adapters.policy_file import load_policy
from services.auth.adapters.rate_limiter import PeerRateLimiter
from services.auth.adapters.session_store import PostgresSessionStore
from services.auth.adapters.watchers import RedisWatchers
from services.auth.bootstrap.edge import edge_flows
from services.auth.bootstrap.keys import Shared, key_flows
from services.auth.flows.abuse_reports import AbuseReports
from services.auth.flows.admissions import Admissions
from services.auth.flows.authenticate import Authenticator, Kind, Verifier
from services.auth.flows.containment import Containment
from services.auth.flows.context_tokens import ContextTokenVerifier
from services.auth.flows.epochs import EpochBook
from services.auth.flows.feed import Feed, Following
from services.auth.flows.jwts import JwtVerifier
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.flows.revocation import Revocation
from services.auth.flows.session_activity import SessionActivity
from services.auth.flows.session_verifier import Reused, SessionVerifier
from services.auth.flows.sessions import Making, Sessions
from services.auth.policy.document import AuthPolicy, PolicyError
from services.auth.policy.jwt_shape import IssuerRules
from services.auth.policy.sessions import SessionRecord
from services.auth.servicer import AuthServicer, Flows
from services.auth.settings import AuthSettings, IssuerSettings
from services.kit.logs import logger
from services.kit.permissions import TenancyPermissions
from services.kit.postgres import Database
from services.kit.reach import Reach
from services.kit.redis import RedisStore
from services.kit.revocations import Guard
from services.kit.run import issuer_of
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError


async def build(settings: AuthSettings, wiring: Wiring) -> App:
    """Raises KeyMissingError or SettingsError; waits for no store and no peer."""
    signer, pepper, clock = KeySigner(wiring.keys), KeyPepper(wiring.keys), wiring.clock
    minter = Minter(
        signer, clock, issuer=issuer_of(settings), audience=settings.trust_domain, seconds=settings.token_seconds
    )
    policy = _policy(settings)
    redis, database = await _stores(settings, wiring)
    following = await _following(settings, wiring, redis, database, minter)
    book, guard = following.book, Guard(lambda caller, _: following.book.stands(caller))
    tenancy = wiring.channel("tenancy")
    memberships = Memberships(TenancyDirectory(tenancy, minter.provisional), clock, settings.memory_seconds)
    issuers = await _issuers(settings, wiring)
    keyed = key_flows(settings, wiring, Shared(database, book, minter, memberships, pepper))
    verifiers: dict[Kind, Verifier] = {
        Kind.API_KEY: keyed.verifier,
        Kind.JWT: (by_jwt := JwtVerifier(issuers, book, clock, settings.jwt_memory_seconds)),
        # The channel is made at the first such token: readiness never waits for that peer.
        Kind.CONTEXT_TOKEN: ContextTokenVerifier(PeerContextTokens(lambda: wiring.channel("context-token")), book),
    }
    shape = keyed.shape
    session_store = PostgresSessionStore(database)
    activity = SessionActivity(session_store, minter.proof)
    wiring.stack.push_async_callback(activity.flush)  # before the database is closed
    seconds, told = settings.memory_seconds, _reused(wiring)
    by_session = SessionVerifier(session_store, book, pepper, activity, clock, shape, seconds, told)
    verifiers[Kind.SESSION] = by_session
    making = Making(shape, pepper, clock, policy.session_limits, minter.proof)
    flows = Flows(
        Authenticator(verifiers, book, memberships, minter, TenancyPermissions(tenancy, settings.store_timeout)),
        Admissions(RedisAdmissionStore(redis, wiring.keys), book, minter, clock),
        keyed.management,
        keyed.leaks,
        keyed.choices,
        Revocation(book, clock),
        signer,
        Sessions(session_store, keyed.store, by_session, book, memberships, making),
        following,
        edge_flows(settings, wiring, redis, database, policy.challenge, policy.edge),
        reports := AbuseReports(PeerRateLimiter(lambda: wiring.channel("ratelimit"))),
        Containment(book, keyed.store, session_store, PostgresManagers(database), minter, clock),
    )
    mount = Mount(
        AuthServicer(flows), rpc.add_AuthServiceServicer_to_server, pb.DESCRIPTOR.services_by_name["AuthService"]
    )
    beside = [*keyed.work, activity.keep_writing, reports.run, *(keys.keep_fresh for _, keys in issuers)]
    beside += _listening(following.feed, guard)
    caches = [keyed.memory.clear, by_jwt.clear, by_session.clear, memberships.clear]
    return App("auth", [mount], beside, caches=caches, guard=guard)


def _reused(wiring: Wiring) -> Reused:
    trail = KeyTrail(wiring.trail, wiring.clock)

    async def said(record: SessionRecord) -> None:
        facts = {"kind": "session", "session": record.session_id}
        await trail.put(record.organisation, "auth.token_reused", record.subject, facts)

    return said


def _policy(settings: AuthSettings) -> AuthPolicy:
    try:
        policy = load_policy(settings.auth_policy)
    except PolicyError as error:
        raise SettingsError(f"auth_policy: {error}") from None
    logger().info("auth.policy", version=policy.fingerprint())
    return policy


async def _following(
    settings: AuthSettings, wiring: Wiring, redis: RedisStore, database: Database, minter: Minter
) -> Following:
    # A connection of its own: however busy the others are, the feed is read.
    own = await _database(settings, wiring, most=1)
    store = PostgresFeedStore(own)
    feed = Feed(store)
    book = EpochBook(RedisEpochMirror(redis), PostgresEpochLedger(database), minter, feed.poke)
    return Following(feed, store, RedisWatchers(redis), book)


def _listening(feed: Feed, guard: Guard) -> list[Callable[[], Awaitable[None]]]:
    return [feed.run, partial(feed.inform, guard), guard.keep_watch]


async def _stores(settings: AuthSettings, wiring: Wiring) -> tuple[RedisStore, Database]:
    for name in ("redis_url", "database_url"):
        if not getattr(settings, name).get_secret_value():
            raise SettingsError(f"{name}: required")
    redis = RedisStore(settings.redis_url.get_secret_value(), settings.store_timeout)
    wiring.stack.push_async_callback(redis.close)
    return redis, await _database(settings, wiring)


async def _database(settings: AuthSettings, wiring: Wiring, most: int = 8) -> Database:
    database = Database(
        settings.database_url.get_secret_value(),
        max_size=most,
        acquire_seconds=settings.store_timeout,
        statement_seconds=settings.store_timeout,
    )
    await database.open()
    wiring.stack.push_async_callback(database.close)
    return database


async def _issuers(settings: AuthSettings, wiring: Wiring) -> list[tuple[IssuerRules, JwksCache]]:
    if not settings.issuers:
        return []
    fetcher = client()
    wiring.stack.push_async_callback(fetcher.aclose)
    found = []
    for issuer in settings.issuers:
        reach = Reach(issuer.allow_networks, issuer.allow_loopback)
        from_file = FileSource(issuer.jwks_file) if issuer.jwks_file else None
        source: Source = from_file or UrlSource(issuer.jwks_url, fetcher, reach)
        kept = None if from_file else _kept(settings, issuer, wiring)
        cache = JwksCache(issuer.name, source, frozenset(issuer.algorithms), wiring.clock, kept=kept)
        await cache.restore()
        # A file is ours to have right; an address may be away, and then only its tokens wait.
        if issuer.jwks_file and not await cache.load():
            raise SettingsError(f"issuers.{issuer.name}.jwks_file: no usable key set could be read")
        found.append((issuer.rules(), cache))
    return found


def _kept(settings: AuthSettings, issuer: IssuerSettings, wiring: Wiring) -> KeptSet | None:
    """Where the issuer's last good set outlives this process."""
    if settings.jwks_folder is None:
        return None
    if not usable(settings.jwks_folder):
        raise SettingsError("jwks_folder: must be a folder that this service can write to and nobody else")
    bound_to = (issuer.issuer, issuer.jwks_url, ",".join(sorted(issuer.algorithms)))
    return KeptSet(settings.jwks_folder, issuer.name, bound_to, wiring.keys)
