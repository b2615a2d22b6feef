"""The mapping in Redis: one hash per conversation, sealed records, numbers given out by one script."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from services.redaction.adapters.sealing import ConversationKey, Sealer, digest_of
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Ended, Held, Kept, MappingFull, Scope, Value


def _script(name: str) -> Script:
    return Script(f"redaction.{name}", Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8"))


_REMEMBER, _END = _script("remember"), _script("end")
_KEY = "k"
_OTHER_KEY = -2
_ATTEMPTS = 6
_CONVERSATIONS = 2048
_INDEXES = 512


@dataclass(slots=True)
class _Hint:
    """What this process last saw of a conversation; only ever a guess that the script corrects."""

    last: dict[str, int] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """What is sent of one call: values under one key of the conversation, with the numbers guessed or given."""

    key: ConversationKey
    workload: str
    values: Sequence[Value]
    indexes: list[bytes]
    numbers: list[int]
    keep: bytes = b""

    @classmethod
    def under(cls, key: ConversationKey, workload: str, values: Sequence[Value], hint: _Hint) -> _Batch:
        """All of them, indexed under this key."""
        indexes = [key.index(workload, value.entity, value.text) for value in values]
        return cls(key, workload, values, indexes, _guess(hint, values, indexes))

    def row(self, k: int) -> tuple[str | bytes | int, ...]:
        """The arguments of one value."""
        value, number = self.values[k], self.numbers[k]
        record = self.key.seal(Slot(value.entity, number), Kept(value.text, self.workload))
        return value.entity, self.indexes[k], number, record


class RedisMappingStore:
    """Sealed values and the wrapped key of a conversation under `hk:redaction:{org}:<digest>`, gone after `seconds`;
    counters live for `number_seconds`. No unwrapped key outlives the call that needs it."""

    def __init__(
        self, store: RedisStore, sealer: Sealer, *, seconds: int, number_seconds: int, most_values: int
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._times = (seconds, number_seconds, 2 * most_values + 1)
        self._hints: OrderedDict[Scope, _Hint] = OrderedDict()

    async def remember(self, scope: Scope, workload: str, values: Sequence[Value], stored: bytes = b"") -> list[Slot]:
        """One round trip when key and guessed numbers are right (a conversation seen last by this process)."""
        hint = self._hint(scope)
        batch = _Batch.under(self._key(scope, stored), workload, values, hint)
        missing = list(range(len(values)))
        for _ in range(_ATTEMPTS):
            answer = await self._send(scope, stored, batch, missing)
            if answer[0] == _OTHER_KEY:  # begun, ended or expired meanwhile: a key that went is never used again
                stored = cast("bytes", answer[1])
                batch = _Batch.under(self._key(scope, stored), workload, values, hint)
                missing = list(range(len(values)))
                continue
            stored = batch.keep
            for place, k in enumerate(missing):
                batch.numbers[k] = answer[2 * place]
            missing = [k for place, k in enumerate(missing) if not answer[2 * place + 1]]
            if not missing:
                _learn(hint, values, batch.indexes, batch.numbers)
                return [Slot(value.entity, number) for value, number in zip(values, batch.numbers, strict=True)]
        # Only when the conversation is ended or expires again and again in between.
        raise Unavailable("mapping")

    async def recall(self, scope: Scope, slots: Sequence[Slot]) -> Mapping[Slot, Kept]:
        """What is kept of these slots, in one round trip."""
        values_key, _ = _keys(scope)
        fields = [_KEY, *(f"v{slot.entity}:{slot.number}" for slot in slots)]
        with self._store.guard():
            # What is being restored is in use: it lives on, so that a long answer ends with the values it began with.
            both = cast("Any", self._store.client.pipeline(transaction=False))
            both.hmget(values_key, fields)
            both.expire(values_key, self._times[0])
            (wrapped, *records), _ = await both.execute()
        key = self._sealer.open(scope, wrapped) if wrapped else None
        if key is None:
            return {}
        found = zip(slots, records, strict=True)
        return {slot: key.open(slot, record) for slot, record in found if record is not None}

    async def known(self, scope: Scope) -> Held:
        """Every value of the conversation, in one round trip."""
        values_key, _ = _keys(scope)
        with self._store.guard():
            fields = await cast("Any", self._store.client.hgetall(values_key))
        wrapped = fields.get(_KEY.encode(), b"")
        key = self._sealer.open(scope, wrapped) if wrapped else None
        if key is None:
            return Held((), wrapped)
        found = []
        for name, record in fields.items():
            if name[:1] == b"v":
                entity, _, number = name[1:].decode().rpartition(":")
                found.append((entity, key.open(Slot(entity, int(number)), record).text))
        return Held(found, wrapped)

    def tag(self, scope: Scope, slot: Slot) -> str:
        """The tag of a place."""
        return self._sealer.tag(scope, slot)

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the slot bears it, under any version of the key."""
        return self._sealer.is_tagged(scope, slot)

    async def forget(self, scope: Scope) -> Ended:
        """Destroys the key, deletes the values; the counters stay, so that an old quote never meets a newer value."""
        values_key, _ = _keys(scope)
        self._hints.pop(scope, None)
        existed, key = await self._store.run(_END, [values_key], [])
        return Ended(bool(existed), bool(key))

    def _key(self, scope: Scope, stored: bytes) -> ConversationKey:
        """The stored one; a new one where there is none, or none that can be opened any more."""
        return (self._sealer.open(scope, stored) if stored else None) or self._sealer.make(scope)

    async def _send(self, scope: Scope, stored: bytes, batch: _Batch, places: Sequence[int]) -> list[Any]:
        other = batch.key.wrapped != stored
        batch.keep = batch.key.wrapped if other else self._sealer.renewed(scope, stored)
        args: list[str | bytes | int] = [*self._times, stored, batch.keep, int(other)]
        for k in places:
            args.extend(batch.row(k))
        answer = cast("list[Any]", await self._store.run(_REMEMBER, _keys(scope), args))
        if answer == [-1]:
            raise MappingFull
        return answer

    def _hint(self, scope: Scope) -> _Hint:
        hint = self._hints.setdefault(scope, _Hint())
        self._hints.move_to_end(scope)
        if len(self._hints) > _CONVERSATIONS:
            self._hints.popitem(last=False)
        return hint


def _keys(scope: Scope) -> tuple[str, str]:
    name = f"hk:redaction:{{{scope.organisation}}}:{digest_of(scope)}"
    return name, f"{name}:n"


def _guess(hint: _Hint, values: Sequence[Value], indexes: Sequence[bytes]) -> list[int]:
    coming = dict(hint.last)
    numbers = []
    for value, index in zip(values, indexes, strict=True):
        number = hint.numbers.get(index)
        if number is None:
            number = coming[value.entity] = coming.get(value.entity, 0) + 1
        numbers.append(number)
    return numbers


def _learn(hint: _Hint, values: Sequence[Value], indexes: Sequence[bytes], numbers: Sequence[int]) -> None:
    if len(hint.numbers) > _INDEXES:
        hint.numbers.clear()
    for value, index, number in zip(values, indexes, numbers, strict=True):
        hint.numbers[index] = number
        hint.last[value.entity] = max(hint.last.get(value.entity, 0), number)
