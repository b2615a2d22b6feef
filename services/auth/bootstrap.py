"""Builds the auth service: the only place that names adapters."""

from __future__ import annotations

from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as rpc

from services.auth.adapters.admission_store import RedisAdmissionStore
from services.auth.adapters.context_tokens import PeerContextTokens
from services.auth.adapters.directory import TenancyDirectory
from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.adapters.epoch_mirror import RedisEpochMirror
from services.auth.adapters.jwks.cache import JwksCache
from services.auth.adapters.jwks.source import FileSource, Source, UrlSource, client
from services.auth.adapters.key_store import PostgresKeyStore
from services.auth.adapters.keys import KeyPepper, KeySigner
from services.auth.flows.admissions import Admissions
from services.auth.flows.api_keys import ApiKeyVerifier, KeyMemory
from services.auth.flows.authenticate import Authenticator, Kind, Verifier
from services.auth.flows.context_tokens import ContextTokenVerifier
from services.auth.flows.epochs import EpochBook
from services.auth.flows.jwts import JwtVerifier
from services.auth.flows.key_management import KeyManagement, Shape
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.flows.revocation import Revocation
from services.auth.policy.jwt_shape import IssuerRules
from services.auth.servicer import AuthServicer, Flows
from services.auth.settings import AuthSettings
from services.kit.keys import ADMISSION
from services.kit.postgres import Database
from services.kit.redis import RedisStore
from services.kit.run import issuer_of
from services.kit.server import App, Mount, Wiring
from services.kit.settings import SettingsError


async def build(settings: AuthSettings, wiring: Wiring) -> App:
    """Raises KeyMissingError or SettingsError; waits for no store and no peer."""
    signer, pepper, clock = KeySigner(wiring.keys), KeyPepper(wiring.keys), wiring.clock
    minter = Minter(
        signer, clock, issuer=issuer_of(settings), audience=settings.trust_domain, seconds=settings.token_seconds
    )
    redis, database = await _stores(settings, wiring)
    store = PostgresKeyStore(database)
    book = EpochBook(RedisEpochMirror(redis), PostgresEpochLedger(database), minter)
    directory = TenancyDirectory(wiring.channel("tenancy"), minter.provisional)
    memberships = Memberships(directory, clock, settings.memory_seconds)
    issuers = await _issuers(settings, wiring)
    by_key = ApiKeyVerifier(
        store,
        book,
        pepper,
        KeyMemory(clock, settings.memory_seconds),
        clock,
        prefix=settings.api_key_prefix,
        environment=settings.key_environment,
    )
    verifiers: dict[Kind, Verifier] = {
        Kind.API_KEY: by_key,
        Kind.JWT: JwtVerifier(issuers, book, clock),
        # The channel is made at the first such token: readiness never waits for that peer.
        Kind.CONTEXT_TOKEN: ContextTokenVerifier(PeerContextTokens(lambda: wiring.channel("context-token")), book),
    }
    shape = Shape(settings.api_key_prefix, settings.key_environment)
    flows = Flows(
        Authenticator(verifiers, book, memberships, minter),
        Admissions(RedisAdmissionStore(redis, wiring.keys.versions(ADMISSION)), book, minter, clock),
        KeyManagement(store, book, memberships, minter, pepper, clock, shape),
        Revocation(book),
        signer,
    )
    mount = Mount(
        AuthServicer(flows), rpc.add_AuthServiceServicer_to_server, pb.DESCRIPTOR.services_by_name["AuthService"]
    )
    return App("auth", [mount], [keys.keep_fresh for _, keys in issuers])


async def _stores(settings: AuthSettings, wiring: Wiring) -> tuple[RedisStore, Database]:
    for name in ("redis_url", "database_url"):
        if not getattr(settings, name).get_secret_value():
            raise SettingsError(f"{name}: required")
    redis = RedisStore(settings.redis_url.get_secret_value(), settings.store_timeout)
    wiring.stack.push_async_callback(redis.close)
    database = Database(
        settings.database_url.get_secret_value(),
        acquire_seconds=settings.store_timeout,
        statement_seconds=settings.store_timeout,
    )
    await database.open()
    wiring.stack.push_async_callback(database.close)
    return redis, database


async def _issuers(settings: AuthSettings, wiring: Wiring) -> list[tuple[IssuerRules, JwksCache]]:
    if not settings.issuers:
        return []
    fetcher = client()
    wiring.stack.push_async_callback(fetcher.aclose)
    found = []
    for issuer in settings.issuers:
        source: Source = FileSource(issuer.jwks_file) if issuer.jwks_file else UrlSource(issuer.jwks_url, fetcher)
        cache = JwksCache(issuer.name, source, frozenset(issuer.algorithms), wiring.clock)
        # A file is ours to have right; an address may be away, and then only its tokens wait.
        if issuer.jwks_file and not await cache.load():
            raise SettingsError(f"issuers.{issuer.name}.jwks_file: no usable key set could be read")
        found.append((issuer.rules(), cache))
    return found
