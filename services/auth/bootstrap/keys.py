"""Builds what has to do with API keys: the part of `bootstrap` that names their adapters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from services.auth.adapters.key_notices import PostgresKeySettings, PostgresOutbox, Seal
from services.auth.adapters.key_store import PostgresKeyStore
from services.auth.adapters.key_trail import KeyTrail
from services.auth.adapters.key_uses import PostgresKeyUses
from services.auth.flows.api_keys import ApiKeyVerifier, KeyMemory
from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_leaks import LeakReports
from services.auth.flows.key_making import KeyMaker, Shape
from services.auth.flows.key_management import KeyManagement
from services.auth.flows.key_notices import KeyChoices, Notifier
from services.auth.flows.key_use import UseLog, UseWriter
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.ports import Pepper
from services.auth.settings import AuthSettings
from services.kit.postgres import Database
from services.kit.reach import Reach
from services.kit.server import Wiring
from services.kit.webhooks import WebhookSender, acceptable, client


@dataclass(frozen=True, slots=True)
class Shared:
    """What keys share with every other credential."""

    database: Database
    book: EpochBook
    minter: Minter
    memberships: Memberships
    pepper: Pepper


@dataclass(frozen=True, slots=True)
class KeyFlows:
    """What was built; `work` runs beside the requests."""

    store: PostgresKeyStore
    shape: Shape
    memory: KeyMemory
    verifier: ApiKeyVerifier
    management: KeyManagement
    leaks: LeakReports
    choices: KeyChoices
    work: tuple[Callable[[], Awaitable[None]], ...]


def key_flows(settings: AuthSettings, wiring: Wiring, shared: Shared) -> KeyFlows:
    """Raises KeyMissingError."""
    clock, database, book, minter = wiring.clock, shared.database, shared.book, shared.minter
    shape = Shape(settings.api_key_prefix, settings.key_environment, frozenset(settings.imported_keys))
    reach = Reach((), settings.webhook_reach == "loopback")
    store, uses, trail = PostgresKeyStore(database), PostgresKeyUses(database), KeyTrail(wiring.trail, clock)
    seal = Seal(wiring.keys)
    kept = PostgresKeySettings(database, seal)
    log, memory = UseLog(clock), KeyMemory(clock, settings.memory_seconds)
    verifier = ApiKeyVerifier(store, book, shared.pepper, memory, clock, shape=shape, uses=log)
    maker = KeyMaker(shared.memberships, shared.pepper, clock, shape)
    writer = UseWriter(log, uses, minter)
    wiring.stack.push_async_callback(writer.flush)  # before the database is closed
    browser = client()
    wiring.stack.push_async_callback(browser.aclose)
    notifier = Notifier(PostgresOutbox(database, seal), WebhookSender(browser, reach), minter, clock)
    return KeyFlows(
        store=store,
        shape=shape,
        memory=memory,
        verifier=verifier,
        management=KeyManagement(store, book, maker, minter, clock, trail=trail, uses=uses),
        leaks=LeakReports(verifier, store, kept, book, minter, trail, clock),
        choices=KeyChoices(kept, book, partial(acceptable, reach=reach)),
        work=(writer.keep_writing, notifier.keep_sending),
    )
