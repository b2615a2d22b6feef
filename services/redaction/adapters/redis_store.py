"""The mapping in Redis: one hash per conversation, sealed records, numbers given out by one script."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from services.redaction.adapters.sealing import Sealer, digest_of
from services.redaction.policy.placeholders import Slot
from services.redaction.ports import Kept, MappingFull, Scope, Value

_REMEMBER = Script("redaction.remember", Path(__file__).with_name("remember.lua").read_text(encoding="utf-8"))
_ATTEMPTS = 4
_CONVERSATIONS = 2048
_INDEXES = 512


@dataclass(slots=True)
class _Hint:
    """What this process last saw of a conversation; only ever a guess that the script corrects."""

    last: dict[str, int] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)


class RedisMappingStore:
    """Sealed values under `hk:redaction:{org}:<digest>`, gone after `seconds`; counters live for `number_seconds`."""

    def __init__(
        self, store: RedisStore, sealer: Sealer, *, seconds: int, number_seconds: int, most_values: int
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._times = (seconds, number_seconds, 2 * most_values)
        self._hints: OrderedDict[Scope, _Hint] = OrderedDict()

    async def remember(self, scope: Scope, workload: str, values: Sequence[Value]) -> list[Slot]:
        """One round trip when the guessed numbers are right (a conversation seen last by this process), else two."""
        hint = self._hint(scope)
        indexes = [self._sealer.index(scope, workload, value.entity, value.text) for value in values]
        numbers = _guess(hint, values, indexes)
        missing = list(range(len(values)))
        for _ in range(_ATTEMPTS):
            answer = await self._send(scope, workload, [(values[k], indexes[k], numbers[k]) for k in missing])
            for place, k in enumerate(missing):
                numbers[k] = answer[2 * place]
            missing = [k for place, k in enumerate(missing) if not answer[2 * place + 1]]
            if not missing:
                _learn(hint, values, indexes, numbers)
                return [Slot(value.entity, number) for value, number in zip(values, numbers, strict=True)]
        # Only when the conversation is ended or expires again and again in between.
        raise Unavailable("mapping")

    async def recall(self, scope: Scope, slots: Sequence[Slot]) -> Mapping[Slot, Kept]:
        """What is kept of these slots, in one round trip."""
        values_key, _ = _keys(scope)
        fields = [f"v{slot.entity}:{slot.number}" for slot in slots]
        with self._store.guard():
            # What is being restored is in use: it lives on, so that a long answer ends with the values it began with.
            both = cast("Any", self._store.client.pipeline(transaction=False))
            both.hmget(values_key, fields)
            both.expire(values_key, self._times[0])
            records, _ = await both.execute()
        found = zip(slots, records, strict=True)
        opened = {slot: self._sealer.open(scope, slot, record) for slot, record in found if record is not None}
        return {slot: kept for slot, kept in opened.items() if kept is not None}

    async def known(self, scope: Scope) -> Sequence[tuple[str, str]]:
        """Every value of the conversation, in one round trip."""
        values_key, _ = _keys(scope)
        with self._store.guard():
            fields = await cast("Any", self._store.client.hgetall(values_key))
        found = []
        for name, record in fields.items():
            if name[:1] == b"v":
                entity, _, number = name[1:].decode().rpartition(":")
                kept = self._sealer.open(scope, Slot(entity, int(number)), record)
                if kept is not None:
                    found.append((entity, kept.text))
        return found

    def tag(self, scope: Scope, slot: Slot) -> str:
        """The tag of a place."""
        return self._sealer.tag(scope, slot)

    def is_tagged(self, scope: Scope, slot: Slot) -> bool:
        """True when the slot bears it, under any version of the key."""
        return self._sealer.is_tagged(scope, slot)

    async def forget(self, scope: Scope) -> bool:
        """Deletes the values; the counters stay, so that an old quote never meets a newer value."""
        values_key, _ = _keys(scope)
        self._hints.pop(scope, None)
        with self._store.guard():
            return bool(await self._store.client.delete(values_key))

    async def _send(self, scope: Scope, workload: str, items: Sequence[tuple[Value, bytes, int]]) -> list[int]:
        args: list[str | bytes | int] = [*self._times]
        for value, index, number in items:
            record = self._sealer.seal(scope, Slot(value.entity, number), Kept(value.text, workload))
            args.extend((value.entity, index, number, record))
        answer = cast("list[int]", await self._store.run(_REMEMBER, _keys(scope), args))
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
