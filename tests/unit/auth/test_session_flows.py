"""Sessions presented and used: what is asked of the stores, what is remembered, and what is written later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from services.auth.flows.key_management import Shape
from services.auth.flows.session_activity import MOST, SessionActivity
from services.auth.flows.session_verifier import SessionVerifier
from services.auth.policy import sessions
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Presented, Verified
from services.auth.policy.sessions import SessionRecord
from services.auth.ports.sessions import NewSession
from services.kit.errors import Unavailable
from services.kit.postgres import Proven
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk, PlainPepper, tenant


@dataclass
class MemorySessions:
    """SessionStore, as far as verifying and noting goes."""

    rows: dict[bytes, SessionRecord] = field(default_factory=dict)
    written: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    lookups: int = 0
    away: bool = False

    async def by_digest(self, digests: Sequence[bytes]) -> SessionRecord | None:
        self.lookups += 1
        if self.away:
            raise Unavailable("postgres")
        return next((self.rows[digest] for digest in digests if digest in self.rows), None)

    async def seen(self, proof: Proven, uses: Mapping[str, float]) -> None:
        if self.away:
            raise Unavailable("postgres")
        self.written.append((tenant(proof), dict(uses)))

    async def open(self, proof: Proven, new: NewSession, most: int) -> bool:
        self.rows[new.digest.value] = new.record
        return True

    async def find(self, proof: Proven, session_id: str) -> SessionRecord | None:
        return next((row for row in self.rows.values() if row.session_id == session_id), None)

    async def replace(self, proof: Proven, old: SessionRecord, new: NewSession) -> Mark | None:
        return Mark(1, 1.0) if await self.open(proof, new, 1) else None

    async def revoke(self, proof: Proven, session_id: str, now: float) -> Mark | None:
        return Mark(1, now)

    async def page(
        self, proof: Proven, subject: str, after: tuple[float, str] | None, size: int, now: float
    ) -> list[SessionRecord]:
        return [row for row in self.rows.values() if row.subject == subject][:size]


class Counter:
    """A verifier over ports in memory."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.store = MemorySessions()
        self.activity = SessionActivity(self.store, self.desk.minter.proof)
        self.verifier = SessionVerifier(
            self.store, self.desk.book, PlainPepper(), self.activity, self.desk.clock, Shape("hbk", "test"), 5.0
        )

    def plant(self, number: int = 7, **fields: Any) -> str:
        text = sessions.compose("hbk", "test", bytes([number]) * 32)
        own = sessions.session_id(hashlib.sha256(text.encode()).digest())
        now = self.desk.clock.now()
        record = SessionRecord(
            session_id=own,
            organisation=ORG,
            subject=USER,
            brand=BRAND,
            scopes=frozenset({"chat"}),
            credential_id="jwt_" + "0" * 22,
            epochs={"o": 0, f"u:{USER}": 0, f"b:{BRAND}": 0, f"s:{own}": 0},
            created_at=now - 100,
            expires_at=now + 86_000,
            last_seen_at=now - 100,
            idle_seconds=1800,
        )
        self.store.rows[PlainPepper().digest(text).value] = replace(record, **fields)
        return text

    def alter(self, text: str, **fields: Any) -> None:
        digest = PlainPepper().digest(text).value
        self.store.rows[digest] = replace(self.store.rows[digest], **fields)

    async def verify(self, text: str, brand: str = "") -> Verified | Cause:
        found = await self.verifier.verify(Presented(text, "backend/shop", brand), lambda *_: BRAND)
        return found if isinstance(found, Cause) else found[0]


@pytest.fixture
def counter() -> Counter:
    return Counter()


async def test_a_remembered_session_costs_no_lookup_but_its_epochs(counter: Counter) -> None:
    text = counter.plant()
    for _ in range(5):
        assert isinstance(await counter.verify(text), Verified)
    assert (counter.store.lookups, counter.desk.epochs.reads) == (1, 5)
    counter.desk.clock.time += 5
    assert isinstance(await counter.verify(text), Verified)
    assert counter.store.lookups == 2


@pytest.mark.parametrize("name", ["o", f"u:{USER}", f"b:{BRAND}", "own"])
async def test_a_revocation_is_seen_at_once_whatever_is_remembered(counter: Counter, name: str) -> None:
    text = counter.plant()
    found = await counter.verify(text)
    assert isinstance(found, Verified)
    name = f"s:{found.session_id}" if name == "own" else name
    counter.desk.epochs.mirror[ORG, name] = Mark(1, counter.desk.clock.now())
    assert await counter.verify(text) is Cause.EPOCH_OVERTAKEN


async def test_a_refusal_never_rests_on_memory(counter: Counter) -> None:
    """Used elsewhere meanwhile, a session is not idle because this process remembers it so."""
    text = counter.plant(last_seen_at=counter.desk.clock.now() - 1797)
    assert isinstance(await counter.verify(text), Verified)
    counter.desk.clock.time += 4
    counter.alter(text, last_seen_at=counter.desk.clock.now())
    assert isinstance(await counter.verify(text), Verified)
    assert counter.store.lookups == 2


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": 1.0},
        {"revoked_at": 1.0, "rotated_to": "ses_" + "0" * 22},
        {"expires_at": 1.0},
        {"last_seen_at": 1.0},
        {"key_ends_at": 1.0},
        {"epochs": {"o": 3}},
        None,
    ],
    ids=["revoked", "rotated", "expired", "idle", "key ended", "overtaken", "unknown"],
)
async def test_every_refusal_costs_one_lookup_and_one_reading(counter: Counter, change: dict[str, Any] | None) -> None:
    text = counter.plant(**(change or {}))
    if change is None:
        counter.store.rows.clear()
    for count in (1, 2):
        assert isinstance(await counter.verify(text), Cause)
        assert (counter.store.lookups, counter.desk.epochs.reads) == (count, count)


@pytest.mark.parametrize("text", ["", "x", "ses_" + "0" * 22, "hbk_test_" + "0" * 49, "hbks_live_" + "0" * 49])
async def test_what_has_not_the_shape_costs_nothing(counter: Counter, text: str) -> None:
    good = counter.plant()
    for bad in (text, good[:-1] + ("A" if good[-1] != "A" else "B")):
        assert isinstance(await counter.verify(bad), Cause)
    assert (counter.store.lookups, counter.desk.epochs.reads) == (0, 0)


async def test_stores_away_are_unavailable_not_refused(counter: Counter) -> None:
    text = counter.plant()
    counter.store.away = True
    with pytest.raises(Unavailable):
        await counter.verify(text)
    counter.store.away, counter.desk.epochs.away = False, True
    with pytest.raises(Unavailable):
        await counter.verify(text)


async def test_use_is_written_once_a_minute_in_one_batch_for_each_organisation(counter: Counter) -> None:
    texts = [counter.plant(number) for number in range(1, 4)] + [counter.plant(9, organisation="globex")]
    start = counter.desk.clock.now()
    for _ in range(3):
        for text in texts:
            await counter.verify(text)
        counter.desk.clock.time += 1
    await counter.activity.flush()
    assert sorted((name, len(uses)) for name, uses in counter.store.written) == [(ORG, 3), ("globex", 1)]
    assert {at for _, uses in counter.store.written for at in uses.values()} == {start}
    await counter.activity.flush()
    assert len(counter.store.written) == 2
    counter.desk.clock.time = start + 61
    await counter.verify(texts[0])
    await counter.activity.flush()
    assert len(counter.store.written) == 3


async def test_what_is_refused_is_no_use(counter: Counter) -> None:
    text = counter.plant()
    assert await counter.verify(text, "another-brand") is Cause.SESSION_WRONG_BRAND
    assert await counter.verify(counter.plant(8, revoked_at=1.0)) is Cause.SESSION_REVOKED
    await counter.activity.flush()
    assert counter.store.written == []


async def test_what_cannot_be_written_waits_and_never_grows_without_end(counter: Counter) -> None:
    text = counter.plant()
    await counter.verify(text)
    counter.store.away = True
    await counter.activity.flush()
    counter.store.away = False
    await counter.activity.flush()
    assert len(counter.store.written) == 1
    record = next(iter(counter.store.rows.values()))
    for number in range(MOST + 10):
        counter.activity.used(replace(record, session_id=f"ses_{number:022}"), counter.desk.clock.now())
    counter.store.written.clear()
    await counter.activity.flush()
    assert sum(len(uses) for _, uses in counter.store.written) == MOST
