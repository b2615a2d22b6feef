"""Verifies a presented API key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from services.auth.flows.epochs import EpochBook
from services.auth.policy import api_keys, epochs
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.ports import KeyStore, Pepper
from services.kit import epochs as naming
from services.kit.clock import Clock
from services.kit.epochs import Grounds

REMEMBERED = 10_000
# Asked about in place of a key that does not exist, so that its refusal costs what every other refusal costs.
NOBODY = KeyRecord("key_" + "0" * 22, "no-organisation", "nobody", "", frozenset(), "0000", 0.0)

BrandOf = Callable[[str, str, str], str]
"""The brand whose epoch to read, of organisation, subject and the key's own brand."""


class KeyMemory:
    """Accepted keys, for a few seconds, by digest. Never believed without their epoch."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: OrderedDict[bytes, tuple[float, KeyRecord]] = OrderedDict()

    def get(self, digest: bytes) -> KeyRecord | None:
        """The key, if remembered and fresh."""
        entry = self._known.get(digest)
        return entry[1] if entry is not None and entry[0] > self._clock.now() else None

    def put(self, digest: bytes, record: KeyRecord) -> None:
        """Remember an accepted key."""
        self._known[digest] = (self._clock.now() + self._seconds, record)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        """Forget one."""
        self._known.pop(digest, None)


class ApiKeyVerifier:
    """Shape, digest, record, epochs: in that order, the dear steps last."""

    def __init__(
        self,
        store: KeyStore,
        book: EpochBook,
        pepper: Pepper,
        memory: KeyMemory,
        clock: Clock,
        *,
        prefix: str,
        environment: str,
    ) -> None:
        self._store = store
        self._book = book
        self._pepper = pepper
        self._memory = memory
        self._clock = clock
        self._prefix = prefix
        self._environment = environment

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """The key's identity with the epochs it stands on. Every well-formed key that is refused costs one lookup and
        one reading of epochs, whatever the cause."""
        shape = api_keys.inspect(presented.text, self._prefix, self._environment)
        if shape is not Cause.NONE:
            return shape
        digests = self._pepper.all_digests(presented.text)
        record = self._memory.get(digests[0])
        remembered = record is not None
        if not remembered:
            record = await self._store.by_digest(digests)
        about = record or NOBODY
        brand = brand_of(about.organisation, about.subject, about.brand)
        marks = await self._book.read(about.organisation, Grounds(about.subject, brand, about.key_id).names())
        if remembered and self._judge(record, marks) is not Cause.NONE:  # a refusal never rests on memory
            self._memory.drop(digests[0])
            record, remembered = await self._store.by_digest(digests), False
        cause = self._judge(record, marks)
        if record is None or cause is not Cause.NONE:
            return cause
        if not remembered:
            self._memory.put(digests[0], record)
        return _verified(record), marks

    def _judge(self, record: KeyRecord | None, marks: Marks) -> Cause:
        cause = api_keys.decide(record, self._clock.now())
        if record is None or cause is not Cause.NONE:
            return cause
        if marks[naming.key(record.key_id)].epoch != record.epoch or epochs.overtaken(record.created_at, marks):
            return Cause.EPOCH_OVERTAKEN
        return Cause.NONE


def _verified(record: KeyRecord) -> Verified:
    return Verified(
        organisation=record.organisation,
        subject=record.subject,
        brand=record.brand,
        credential_id=record.key_id,
        scopes=record.scopes,
        issued_at=record.created_at,
        key_id=record.key_id,
    )
