"""Verifies a presented API key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from services.auth.flows.epochs import EpochBook
from services.auth.flows.key_making import Shape
from services.auth.flows.key_use import UseLog
from services.auth.policy import api_keys, epochs
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.ports import Digest, KeyStore, Pepper
from services.kit import epochs as naming
from services.kit.clock import Clock
from services.kit.epochs import Grounds

REMEMBERED = 10_000
# Asked about in place of a key that does not exist, so that its refusal costs what every other refusal costs.
NOBODY = KeyRecord("key_" + "0" * 22, "no-organisation", "nobody", "", frozenset(), "0000", 0.0)
# Causes that say nothing against the key itself: whoever stole it cannot make its owner pay for lookups.
ABOUT_THE_CALLER = frozenset({Cause.KEY_ADDRESS, Cause.KEY_WRONG_BRAND})

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

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


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
        shape: Shape,
        uses: UseLog | None = None,
    ) -> None:
        """`uses` is told of every accepted key."""
        self._store = store
        self._book = book
        self._pepper = pepper
        self._memory = memory
        self._clock = clock
        self._shape = shape
        self._uses = uses

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """The key's identity with the epochs it stands on. Every well-formed key that is refused costs one lookup and
        one reading of epochs, whatever the cause."""
        kept_as = self._kept_as(presented.text)
        if isinstance(kept_as, Cause):
            return kept_as
        digests = self._pepper.all_digests(kept_as)
        memo = digests[0].value
        record = self._memory.get(memo)
        remembered = record is not None
        if not remembered:
            record = await self._find(digests)
        about = record or NOBODY
        brand = brand_of(about.organisation, about.subject, about.brand)
        marks = await self._book.read(about.organisation, Grounds(about.subject, brand, about.key_id).names())
        cause = self._judge(record, marks, presented)
        if remembered and cause is not Cause.NONE:  # a refusal never rests on memory
            if cause not in ABOUT_THE_CALLER:
                self._memory.drop(memo)
            record, remembered = await self._find(digests), False
            cause = self._judge(record, marks, presented)
        if record is None or cause is not Cause.NONE:
            return cause
        if not remembered:
            self._memory.put(memo, record)
        if self._uses is not None:
            self._uses.note(record, presented, digests[0])
        return _verified(record), marks

    def known(self, text: str) -> tuple[Digest, ...]:
        """The digests that a key may be kept by; none for what cannot be a key. Costs no lookup."""
        kept_as = self._kept_as(text)
        return () if isinstance(kept_as, Cause) else self._pepper.all_digests(kept_as)

    def _kept_as(self, text: str) -> str | Cause:
        """What the digest is made of, or why there is none."""
        if self._shape.imports and api_keys.foreign(text, self._shape.prefix):
            return api_keys.hashed(text)
        wrong = api_keys.inspect(text, self._shape.prefix, self._shape.environment)
        return text if wrong is Cause.NONE else wrong

    async def _find(self, digests: Sequence[Digest]) -> KeyRecord | None:
        return await self._store.by_digest([digest.value for digest in digests])

    def _judge(self, record: KeyRecord | None, marks: Marks, presented: Presented) -> Cause:
        cause = api_keys.decide(record, self._clock.now())
        if record is None or cause is not Cause.NONE:
            return cause
        if record.imported and record.organisation not in self._shape.imports:
            return Cause.KEY_NOT_IMPORTABLE
        if marks[naming.key(record.key_id)].epoch != record.epoch or epochs.overtaken(record.created_at, marks):
            return Cause.EPOCH_OVERTAKEN
        return api_keys.decide_place(record, presented.address, presented.brand)


def _verified(record: KeyRecord) -> Verified:
    return Verified(
        organisation=record.organisation,
        subject=record.subject,
        brand=record.brand,
        credential_id=record.key_id,
        scopes=record.scopes,
        issued_at=record.created_at,
        key_id=record.key_id,
        limits=record.limits,
    )
