"""Everything about API keys over real PostgreSQL and Redis, with a clock that moves when told."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.auth.adapters.epoch_ledger import PostgresEpochLedger
from services.auth.adapters.epoch_mirror import RedisEpochMirror
from services.auth.adapters.key_notices import PostgresKeySettings, PostgresOutbox, Seal
from services.auth.adapters.key_store import PostgresKeyStore
from services.auth.adapters.key_trail import KeyTrail
from services.auth.adapters.key_uses import PostgresKeyUses
from services.auth.adapters.keys import KeyPepper, KeySigner
from services.auth.flows.api_keys import ApiKeyVerifier, KeyMemory
from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_leaks import LeakReports
from services.auth.flows.key_making import Issued, KeyMaker, Shape, Wanted
from services.auth.flows.key_management import KeyManagement
from services.auth.flows.key_notices import KeyChoices, Notifier
from services.auth.flows.key_use import UseLog, UseWriter
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.policy import scopes
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Presented, Verified
from services.kit.audit import Event
from services.kit.caller import Caller
from services.kit.keys import VersionedSecret
from services.kit.postgres import Database
from services.kit.reach import Reach
from services.kit.redis import RedisStore
from services.kit.webhooks import WebhookSender, acceptable, client
from tests.contract.auth.house import TestKeys
from tests.support.stores import DataStores
from tests.unit.auth.fakes import HandClock, MemoryDirectory

DAY = 86_400
HERE = "198.51.100.7"


class CountedKeys(PostgresKeyStore):
    """Counts lookups."""

    lookups = 0

    async def by_digest(self, digests: Sequence[bytes]) -> KeyRecord | None:
        self.lookups += 1
        return await super().by_digest(digests)


class CountedMirror(RedisEpochMirror):
    """Counts readings."""

    reads = 0

    async def read(self, organisation: str, names: Sequence[str]) -> list[Mark | None]:
        self.reads += 1
        return await super().read(organisation, names)


class ListedTrail:
    """Keeps what was emitted."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, bool]] = []

    async def emit(self, event: Event, *, critical: bool = False) -> None:
        self.events.append((event, critical))


@dataclass
class Shelf:
    """One organisation's keys; `imports` holds the organisations that may bring foreign ones."""

    organisation: str
    clock: HandClock
    keys: TestKeys
    database: Database
    store: CountedKeys
    mirror: CountedMirror
    book: EpochBook
    minter: Minter
    verifier: ApiKeyVerifier
    memory: KeyMemory
    management: KeyManagement
    log: UseLog
    uses: PostgresKeyUses
    writer: UseWriter
    leaks: LeakReports
    choices: KeyChoices
    notifier: Notifier
    trail: ListedTrail

    def owner(self, *held: str) -> Caller:
        """Somebody with these scopes; all of a first key's when none is named."""
        proof = self.minter.proof(self.organisation).org_mac
        return Caller(
            self.organisation, "ann", "shop", "t", "backend/shop", proof, 0, scopes=frozenset(held or scopes.BOOTSTRAP)
        )

    async def create(self, *held: str, **wanted: Any) -> Issued:
        return await self.management.create(self.owner(), Wanted("ann", "shop", held or ("chat",), **wanted))

    async def show(self, text: str, *, address: str = HERE, brand: str = "", workload: str = "backend/shop") -> Cause:
        """What comes of presenting a key."""
        found = await self.verified(text, address=address, brand=brand, workload=workload)
        return found if isinstance(found, Cause) else Cause.NONE

    async def verified(
        self, text: str, *, address: str = HERE, brand: str = "", workload: str = "backend/shop"
    ) -> Verified | Cause:
        found = await self.verifier.verify(Presented(text, workload, brand, address), lambda _o, _s, bound: bound)
        return found if isinstance(found, Cause) else found[0]

    def pepper(self, *versions: str) -> None:
        """The versions of the pepper from now on, the active one first."""
        known = {each.kid: each for each in self.keys.kept["api-key-pepper"]}
        made = [known.get(kid) or VersionedSecret(kid, secrets.token_bytes(32)) for kid in versions]
        self.keys.kept["api-key-pepper"] = made

    async def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        async with self.database.tenant(self.minter.proof(self.organisation)) as connection:
            return await (await connection.execute(statement)).fetchall()


@asynccontextmanager
async def opened_shelf(stores: DataStores, *, may_import: bool = True) -> AsyncIterator[Shelf]:
    """A new organisation."""
    organisation = f"org-{secrets.token_hex(6)}"
    clock, keys, directory, trail = HandClock(), TestKeys(), MemoryDirectory(), ListedTrail()
    directory.members = {(organisation, "ann"): ("shop", "other")}
    signer, pepper, seal = KeySigner(keys), KeyPepper(keys), Seal(keys)
    async with AsyncExitStack() as stack:
        redis = RedisStore(stores.redis_url)
        stack.push_async_callback(redis.close)
        database = Database(stores.service_dsn("auth"))
        await database.open()
        stack.push_async_callback(database.close)
        browser = client()
        stack.push_async_callback(browser.aclose)
        minter = Minter(signer, clock, issuer="https://auth.test", audience="test", seconds=60)
        mirror, store = CountedMirror(redis), CountedKeys(database)
        book = EpochBook(mirror, PostgresEpochLedger(database), minter)
        shape = Shape("hbk", "test", frozenset({organisation} if may_import else {"somebody-else"}))
        log, memory, uses = UseLog(clock), KeyMemory(clock, 5.0), PostgresKeyUses(database)
        verifier = ApiKeyVerifier(store, book, pepper, memory, clock, shape=shape, uses=log)
        maker = KeyMaker(Memberships(directory, clock, 5.0), pepper, clock, shape)
        kept, reach, own = PostgresKeySettings(database, seal), Reach((), loopback=True), KeyTrail(trail, clock)
        yield Shelf(
            organisation=organisation,
            clock=clock,
            keys=keys,
            database=database,
            store=store,
            mirror=mirror,
            book=book,
            minter=minter,
            verifier=verifier,
            memory=memory,
            management=KeyManagement(store, book, maker, minter, clock, trail=own, uses=uses),
            log=log,
            uses=uses,
            writer=UseWriter(log, uses, minter),
            leaks=LeakReports(verifier, store, kept, book, minter, own, clock),
            choices=KeyChoices(kept, book, lambda url: acceptable(url, reach)),
            notifier=Notifier(PostgresOutbox(database, seal), WebhookSender(browser, reach), minter, clock),
            trail=trail,
        )
