"""Builds the limits' store with its circuit and its ledger."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.kit.caller import current_caller
from services.kit.clock import Clock
from services.kit.postgres import Database, Proven
from services.kit.redis import RedisStore
from services.kit.server import Wiring
from services.ratelimit.adapters.circuit_limits import CircuitLimits
from services.ratelimit.adapters.ledger_book import PostgresBook
from services.ratelimit.adapters.ledger_limits import LedgerLimits
from services.ratelimit.adapters.ledger_stream import RedisStream
from services.ratelimit.adapters.redis_limits import RedisLimits
from services.ratelimit.flows.folding import Kept, LedgerFolder
from services.ratelimit.flows.ledger import LedgerWriter, Seeder
from services.ratelimit.ports import LimitStore
from services.ratelimit.settings import RateLimitSettings


@dataclass(frozen=True)
class Durable:
    """The store of the limits, and what runs beside the requests for it."""

    limits: LimitStore
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    entries: int = 0
    touched: Callable[[str], None] = lambda _: None


def without_ledger(store: RedisStore, clock: Clock) -> Durable:
    """Counters that nothing is written down of: what Redis loses is lost."""
    return Durable(CircuitLimits(RedisLimits(store, clock), cluster=store.cluster))


def with_ledger(
    store: RedisStore,
    database: Database,
    clock: Clock,
    entries: int,
    *,
    limits: RedisLimits | None = None,
    proof: Callable[[], Proven] = current_caller,
    kept: Kept | None = None,
) -> Durable:
    """Budgets that outlive Redis. At most `entries` of one organisation wait to be written down."""
    stream = RedisStream(store, clock, f"{secrets.token_hex(8)}")
    book = PostgresBook(database)
    writer = LedgerWriter(stream, book)
    counters = CircuitLimits(limits or RedisLimits(store, clock, ledger=entries), cluster=store.cluster)
    seeder = Seeder(stream, book, writer, clock)
    folder = LedgerFolder(book, clock, kept or Kept())
    background = (writer.run, writer.watch, folder.run)
    return Durable(LedgerLimits(counters, seeder, writer, proof), background, entries, writer.touched)


async def durable(settings: RateLimitSettings, store: RedisStore, wiring: Wiring) -> Durable:
    """As the settings say. PostgreSQL need not be up: until it is, what no store is sure of is refused."""
    url = settings.database_url.get_secret_value()
    if not url or not settings.ledger_entries:
        return without_ledger(store, wiring.clock)
    database = Database(url, max_size=4, acquire_seconds=settings.store_timeout, statement_seconds=2.0)
    await database.open()
    wiring.stack.push_async_callback(database.close)
    kept = Kept(settings.ledger_days, settings.used_days)
    return with_ledger(store, database, wiring.clock, settings.ledger_entries, kept=kept)
