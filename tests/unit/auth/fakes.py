"""Ports of auth in memory, counting what they are asked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.auth.adapters.keys import KeySigner
from services.auth.flows.admissions import Admissions
from services.auth.flows.api_keys import ApiKeyVerifier, KeyMemory
from services.auth.flows.authenticate import Asked, Authenticated, Authenticator, Kind, Verifier
from services.auth.flows.epochs import EpochBook
from services.auth.flows.jwts import Issuer, JwtVerifier
from services.auth.flows.key_making import KeyMaker, Shape
from services.auth.flows.key_management import KeyManagement
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minter
from services.auth.policy import api_keys
from services.auth.policy.admissions import Admission
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.auth.policy.identity import Circumstances, Membership
from services.auth.ports import Digest, NewKey
from services.kit.caller import Caller
from services.kit.errors import Unavailable
from services.kit.keys import VersionedSecret
from services.kit.permissions import Answer, Question
from services.kit.postgres import Proven

ORG, USER, BRAND = "acme", "ada", "acme-chat"


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = float(int(time.time()))

    def now(self) -> float:
        return self.time


class FixedKeys:
    """A key port with fresh keys."""

    def __init__(self) -> None:
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self._values = {"txn-signing": ec.generate_private_key(ec.SECP256R1()).private_bytes(*pem)}

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return [VersionedSecret("v1", self._values.get(name, bytes(range(32))))]


class PlainPepper:
    def digest(self, key: str) -> Digest:
        return Digest("v1", hashlib.sha256(key.encode()).digest())

    def all_digests(self, key: str) -> tuple[Digest, ...]:
        return (self.digest(key),)


@dataclass
class MemoryKeys:
    """KeyStore; the tenant of a proof is its first part."""

    clock: HandClock
    rows: dict[bytes, KeyRecord] = field(default_factory=dict)
    lookups: int = 0
    away: bool = False

    async def by_digest(self, digests: Sequence[bytes]) -> KeyRecord | None:
        self.lookups += 1
        if self.away:
            raise Unavailable("postgres")
        return next((self.rows[digest] for digest in digests if digest in self.rows), None)

    async def active(self, proof: Proven, now: float) -> bool:
        own = (row for row in self.rows.values() if row.organisation == tenant(proof))
        return any(api_keys.decide(row, now) is Cause.NONE for row in own)

    async def add_first(self, proof: Proven, new: NewKey, now: float) -> KeyRecord | None:
        return None if await self.active(proof, now) else await self.add(proof, new)

    async def add(self, proof: Proven, new: NewKey) -> KeyRecord:
        assert new.record.organisation == tenant(proof)
        self.rows[new.digest.value] = new.record
        return new.record

    async def find(self, proof: Proven, key_id: str) -> KeyRecord | None:
        own = (row for row in self.rows.values() if row.organisation == tenant(proof))
        return next((row for row in own if row.key_id == key_id), None)

    async def replace(
        self, proof: Proven, old: KeyRecord, grace_until: float, new: NewKey, cut: bool
    ) -> KeyRecord | None:
        self.change(old.key_id, rotated_to=new.record.key_id, grace_until=grace_until, epoch=old.epoch + int(cut))
        return await self.add(proof, new)

    async def revoke(self, proof: Proven, key_id: str) -> KeyRecord | None:
        row = await self.find(proof, key_id)
        if row and row.revoked_at is None:
            self.change(key_id, revoked_at=self.clock.now(), epoch=row.epoch + 1)
        return await self.find(proof, key_id)

    async def page(self, proof: Proven, after: tuple[float, str] | None, size: int) -> list[KeyRecord]:
        rows = sorted(self.rows.values(), key=lambda row: (row.created_at, row.key_id))
        own = [row for row in rows if row.organisation == tenant(proof)]
        return [row for row in own if after is None or (row.created_at, row.key_id) > after][:size]

    def change(self, key_id: str, **fields: Any) -> None:
        for digest, row in self.rows.items():
            if row.key_id == key_id:
                self.rows[digest] = replace(row, **fields)


@dataclass
class MemoryEpochs:
    """Ledger and mirror in one; the mirror can be emptied."""

    keys: MemoryKeys
    ledger: dict[tuple[str, str], Mark] = field(default_factory=dict)
    mirror: dict[tuple[str, str], Mark] = field(default_factory=dict)
    withheld: set[tuple[str, str]] = field(default_factory=set)
    reads: int = 0
    away: bool = False

    async def read(self, organisation: Any, names: Sequence[str]) -> Any:
        self.reads += 1
        if self.away:
            raise Unavailable("redis")
        return [self.mirror.get((organisation, name)) for name in names]

    async def fill(self, organisation: str, marks: Mapping[str, Mark]) -> None:
        for name, mark in marks.items():
            if (organisation, name) not in self.withheld:
                self.mirror[organisation, name] = mark

    async def withhold(self, organisation: str, name: str) -> str:
        if self.away:
            raise Unavailable("redis")
        self.withheld.add((organisation, name))
        self.mirror.pop((organisation, name), None)
        return "t"

    async def publish(self, organisation: str, name: str, mark: Mark, token: str) -> None:
        self.withheld.discard((organisation, name))
        self.mirror[organisation, name] = mark


@dataclass
class MemoryLedger:
    epochs: MemoryEpochs
    away: bool = False

    async def read(self, proof: Proven, names: Sequence[str]) -> dict[str, Mark]:
        if self.away:
            raise Unavailable("postgres")
        organisation = tenant(proof)
        found = {name: self.epochs.ledger.get((organisation, name), Mark()) for name in names}
        for row in self.epochs.keys.rows.values():
            if row.organisation == organisation and f"k:{row.key_id}" in found:
                found[f"k:{row.key_id}"] = Mark(row.epoch, row.revoked_at or 0.0)
        return found

    async def rise(self, proof: Proven, organisation: str, name: str, keep_until: float | None = None) -> Mark:
        before = self.epochs.ledger.get((organisation, name), Mark())
        mark = Mark(before.epoch + 1, self.epochs.keys.clock.now())
        self.epochs.ledger[organisation, name] = mark
        return mark

    async def turn(self, proof: Proven, organisation: str, name: str, *, hold: bool) -> Mark | None:
        before = self.epochs.ledger.get((organisation, name), Mark())
        return None if (before.epoch % 2 == 1) is hold else await self.rise(proof, organisation, name)


@dataclass
class MemoryAdmissions:
    kept: dict[str, Admission] = field(default_factory=dict)

    async def put(self, digest: str, admission: Admission, seconds: float) -> None:
        self.kept[digest] = admission

    async def get(self, digest: str) -> Admission | None:
        return self.kept.get(digest)


@dataclass
class MemoryDirectory:
    members: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=lambda: {(ORG, USER): (BRAND, "other")})
    suspended: bool = False
    away: bool = False
    asked: int = 0

    async def resolve(self, organisation: str, subject: str, brand: str) -> Membership:
        self.asked += 1
        if self.away:
            raise Unavailable("tenancy")
        if self.suspended:
            return Membership(Cause.ORGANISATION_SUSPENDED)
        brands = self.members.get((organisation, subject), ())
        chosen = brand or (brands[0] if brands else "")
        if chosen not in brands:
            return Membership(Cause.NOT_A_MEMBER)
        return Membership(Cause.NONE, chosen, "pro", "Europe/Paris", 1_700_000_000)


def tenant(proof: Proven) -> str:
    return proof.org_mac.partition(".")[0]


class MemoryPermissions:
    """Permissions of everybody alike."""

    def __init__(self) -> None:
        self.away = False
        self.says = Answer.ALLOWED
        self.asked: list[Question] = []

    async def ask(self, _: str, questions: Sequence[Question]) -> list[Answer]:
        if self.away:
            raise Unavailable("tenancy")
        self.asked += questions
        return [self.says for _ in questions]


class Desk:
    """Every flow of auth over ports in memory."""

    def __init__(self, issuers: Sequence[Issuer] = ()) -> None:
        self.clock = HandClock()
        self.keys = MemoryKeys(self.clock)
        self.epochs = MemoryEpochs(self.keys)
        self.ledger = MemoryLedger(self.epochs)
        self.directory = MemoryDirectory()
        self.kept = MemoryAdmissions()
        self.signer = KeySigner(FixedKeys())
        self.minter = Minter(self.signer, self.clock, issuer="https://auth.test", audience="test", seconds=60)
        self.book = EpochBook(self.epochs, self.ledger, self.minter)
        self.memberships = Memberships(self.directory, self.clock, 5.0)
        memory = KeyMemory(self.clock, 5.0)
        by_key = ApiKeyVerifier(self.keys, self.book, PlainPepper(), memory, self.clock, shape=Shape("hbk", "test"))
        verifiers: dict[Kind, Verifier] = {
            Kind.API_KEY: by_key,
            Kind.JWT: JwtVerifier(issuers, self.book, self.clock),
        }
        self.permissions = MemoryPermissions()
        self.authenticator = Authenticator(verifiers, self.book, self.memberships, self.minter, self.permissions)
        self.management = KeyManagement(
            self.keys,
            self.book,
            KeyMaker(self.memberships, PlainPepper(), self.clock, Shape("hbk", "test")),
            self.minter,
            self.clock,
        )
        self.admissions = Admissions(self.kept, self.book, self.minter, self.clock)

    def plant(self, secret: bytes = b"\7" * 32, **fields: Any) -> str:
        """A kept key; its text."""
        text = api_keys.compose("hbk", "test", secret)
        record = KeyRecord(
            key_id=api_keys.key_id(hashlib.sha256(secret).digest()),
            organisation=ORG,
            subject=USER,
            brand="",
            scopes=frozenset({"chat", "keys.manage"}),
            last_four=text[-4:],
            created_at=self.clock.now() - 100,
        )
        self.keys.rows[PlainPepper().digest(text).value] = replace(record, **fields)
        return text

    def record(self, text: str) -> KeyRecord:
        return self.keys.rows[PlainPepper().digest(text).value]

    async def present(self, text: str, kind: Kind = Kind.API_KEY, brand: str = "") -> Authenticated:
        return await self.authenticator.authenticate(Asked(kind, text, brand, "backend/shop", "", Circumstances()))

    async def caller(self, text: str) -> Caller:
        found = await self.present(text)
        assert found.minted is not None
        return found.minted.caller
