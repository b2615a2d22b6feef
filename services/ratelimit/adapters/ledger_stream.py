"""The streams of the ledger in Redis, each in the slot of its organisation."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.kit.clock import Clock
from services.kit.redis import RedisStore, Script
from services.ratelimit.adapters.ledger_book import charge_of
from services.ratelimit.ports.ledger import Charge, Entry, Offset, Snapshot

_FOLDER = Path(__file__).parent / "scripts"
# No organisation begins with an underscore, so these never meet its keys.
_KNOWN = "hk:ratelimit:{_ledger}:organisations"
_SERVERS = "hk:ratelimit:{_ledger}:servers"
_PART = 500  # fields, or holds, that one script puts back: others wait for it
_MARK_MS = 60 * 86_400_000  # shorter than the life of a stream: checked again then
_SPENT_MS = 600_000
_UNSETTLED_MS = 86_400_000
_log = logging.getLogger(__name__)


def _script(*parts: str) -> Script:
    source = "".join((_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return Script(f"ratelimit {parts[-1]}", source)


class RedisStream:
    """Implements `ports.ledger.Stream`; `consumer` is this process."""

    def __init__(self, store: RedisStore, clock: Clock, consumer: str) -> None:
        self._store = store
        self._clock = clock
        self._consumer = consumer
        self._drain, self._forget = _script("drain"), _script("forget")
        self._offset, self._seed = _script("offset"), _script("state", "seed")

    async def drain(self, organisation: str, most: int, idle_ms: int) -> Sequence[Entry]:
        """See the port."""
        rows = await self._store.run(self._drain, [_key(organisation, "log")], [self._consumer, most, idle_ms])
        entries = []
        for entry_id, flat in rows:
            try:
                entries.append(_entry(entry_id.decode(), dict(zip(flat[::2], flat[1::2], strict=True))))
            except (KeyError, ValueError, TypeError, AttributeError):
                _log.error("ledger entry cannot be read: it stays in the stream")
        return entries

    async def forget(self, organisation: str, entry_ids: Sequence[str]) -> None:
        """See the port."""
        await self._store.run(self._forget, [_key(organisation, "log")], list(entry_ids))

    async def offset(self, organisation: str) -> Offset:
        """See the port."""
        keys = [_key(organisation, "log"), _key(organisation, "seeded")]
        last, waiting, whole = await self._store.run(self._offset, keys, [])
        return Offset(last.decode(), int(waiting), bool(whole))

    async def announce(self, organisation: str) -> None:
        """See the port."""
        await self._command("SADD", _KNOWN, organisation)

    async def organisations(self) -> Sequence[str]:
        """See the port."""
        return sorted(name.decode() for name in await self._command("SMEMBERS", _KNOWN))

    async def seed(self, organisation: str, offset: Offset, snapshot: Snapshot) -> bool:
        """See the port."""
        keys = [_key(organisation, name) for name in ("log", "seeded", "hx")]
        now = self._clock.now()
        parts = list(_parts(snapshot, now))
        for number, (body, holds) in enumerate(parts, start=1):
            args = [offset.last, int(number == len(parts)), _MARK_MS, body, *holds]
            done = int(await self._store.run(self._seed, keys, args))
            if done != 1:
                return done == 2
        return True

    async def servers(self) -> tuple[str, str]:
        """See the port."""
        kept = await self._command("GET", _SERVERS)
        return await self._store.runs(), kept.decode() if kept else ""

    async def remember_servers(self, runs: str) -> None:
        """See the port."""
        await self._command("SET", _SERVERS, runs)

    async def doubt(self, organisation: str) -> None:
        """See the port."""
        await self._command("DEL", _key(organisation, "seeded"))

    async def _command(self, *words: str) -> Any:
        with self._store.guard():
            return await self._store.client.execute_command(*words)  # type: ignore[no-untyped-call]


def _key(organisation: str, name: str) -> str:
    return f"hk:ratelimit:{{{organisation}}}:{name}"


def _entry(entry_id: str, fields: dict[bytes, bytes]) -> Entry:
    charges: tuple[Charge, ...] = tuple(charge_of(row) for row in json.loads(fields[b"c"]))
    return Entry(
        entry_id=entry_id,
        kind=fields[b"k"].decode(),
        # A request without an id is charged without a memory: its place in the stream is its name.
        request_id=fields[b"i"].decode() or f"at:{entry_id}",
        opened_us=int(fields[b"o"]),
        at_us=int(fields[b"a"]),
        workload=fields[b"w"].decode(),
        tokens=int(fields[b"t"]),
        micro_usd=int(fields[b"m"]),
        expires_us=int(fields[b"x"]),
        charges=charges,
        packed=fields[b"h"],
    )


def _parts(snapshot: Snapshot, now: float) -> Iterator[tuple[str, list[str | bytes | int]]]:
    """Bodies of bounded size; there is always a last one, which marks."""
    fields = [[c.subject, c.field, str(c.begins_s), str(c.amount), str(_life_ms(c, now))] for c in snapshot.charges]
    settled = [
        [s.request_id, s.workload, "released" if s.released else "committed", str(s.micro_usd), str(_SPENT_MS)]
        for s in snapshot.settled
    ]
    holds = [
        (h.request_id, h.expires_us, max(1, round(h.expires_us / 1000 - now * 1000)) + _UNSETTLED_MS, h.packed)
        for h in snapshot.holds
        if h.expires_us / 1_000_000 > now - _UNSETTLED_MS / 1000
    ]
    longest = max(len(fields), len(settled), len(holds), 1)
    for at in range(0, longest, _PART):
        body = {"fields": fields[at : at + _PART], "settled": settled[at : at + _PART]}
        flat: list[str | bytes | int] = [word for hold in holds[at : at + _PART] for word in hold]
        yield json.dumps(body, separators=(",", ":")), flat


def _life_ms(charge: Charge, now: float) -> int:
    """Two windows, as a counter that was written now would live."""
    width = charge.ends_s - charge.begins_s
    return max(60_000, round((charge.ends_s + width - now) * 1000))
