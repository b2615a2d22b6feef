"""Limits in Redis: one script, one round trip, one slot per organisation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from services.ratelimit.adapters.packing import doubles, integers
from services.ratelimit.adapters.wire_form import (
    amounts,
    field_of,
    packed_limits,
    packed_penalties,
    penalty_of,
    remembered,
    standing_of,
)
from services.ratelimit.policy import CALENDARS, Group, Limit, Mode, Penalties, Standing, Zone, boundaries
from services.ratelimit.ports import Addition, Answer, Ask, Reservation, Settled, Status, UnseededError, Use

_FOLDER = Path(__file__).parent / "scripts"
# What a script consists of, besides its own part. What `decide` seldom needs it makes when it does, by name.
_PARTS: dict[str, tuple[str, ...]] = {
    "decide": ("state", "windows", "entry"),
    "settle": ("state", "entry", "log", "ledger", "holds"),
    "extend": ("state", "windows", "entry", "log", "ledger", "holds"),
    "descriptors": ("state", "windows"),
    "held": ("state", "penalties", "entry", "log", "ledger", "reset"),
    "signal": ("penalties",),
    "near": ("penalties",),
}
_MADE_WHEN_NEEDED = {
    "log": ("()", "beside, append"),
    "ledger": ("(beside, append)", "record"),
    "holds": ("(record)", "reap"),
    "penalties": ("()", "penalty, penalise, write_penalty"),
    "flight": ("()", "in_flight"),
    "reserving": ("()", "reserve"),
}
_SELDOM = [part for part in _MADE_WHEN_NEEDED if part != "log"]

_REPLAY_MS = 120_000  # how long an answered TAKE is remembered
_TOMBSTONE_MS = 600_000  # how long a settled or expired reservation is
_UNSETTLED_MS = 86_400_000  # how long a hold waits for the next call of its organisation to reap it
_LONGEST_US = 3_600_000_000
_NOT_COVERED = 3
_UNSEEDED, _LEDGER_FULL = 5, 6
_OWN_PRICE = (-1, -1)
_REMEMBERED = 4096


def script(name: str, common: str | None = None, ledger: int = 0) -> Script:
    """A script of this service: what all share, then its own part. Tests put in their own clock by `common`; `ledger`
    is the most that may wait to be written down, 0 when nothing is."""
    parts = [f"local LEDGER = {ledger}\n", common if common is not None else lua("common")]
    parts += [lua(part) for part in _PARTS[name]]
    if name == "decide":
        parts += [_maker("log"), "local function seldom()\n", *(_maker(part) for part in _SELDOM)]
        parts.append(f"return {{{', '.join(f'{part} = {part}' for part in _SELDOM)}}}\nend\n")
    return Script(f"ratelimit {name}", "".join([*parts, lua(name)]))


def _maker(part: str) -> str:
    takes, gives = _MADE_WHEN_NEEDED[part]
    return f"local function {part}{takes}\n{lua(part)}return {gives}\nend\n"


def lua(name: str) -> str:
    """One part of the scripts."""
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


class RedisLimits:
    """Implements `LimitStore`. The calendars sent along are computed from `clock`; which window counts, Redis says."""

    def __init__(self, store: RedisStore, clock: Clock, common: str | None = None, ledger: int = 0) -> None:
        self._store = store
        self._clock = clock
        self._decide = script("decide", common, ledger)
        self._settle = script("settle", common, ledger)
        self._extend = script("extend", common, ledger)
        self._specs: dict[tuple[tuple[Group, ...], str], _Spec] = {}
        self._calendars: dict[tuple[tuple[int, ...], str], tuple[float, float, bytes]] = {}
        self._ledger = ledger
        self._penalties: dict[Penalties | None, bytes] = {}

    async def decide(self, ask: Ask) -> Answer:
        """Takes, looks or reserves, in one round trip."""
        spec = self._spec(tuple(bound.group for bound in ask.groups), ask.zone)
        prefix = f"hk:ratelimit:{{{ask.partition}}}:"
        subjects = [prefix + ":".join(bound.name) for bound in ask.groups]
        take = ask.mode is Mode.TAKE
        # An organisation has no colon in its name; what other partitions have is not written down.
        kept = bool(self._ledger) and ":" not in ask.partition
        named = bool(ask.request_id)
        fingerprint = _fingerprint(ask, subjects) if named else ""
        numbers = (
            *(int(ask.mode), named, kept, ask.hold_us, _REPLAY_MS if take else _TOMBSTONE_MS, _UNSETTLED_MS),
            *(ask.price.input, ask.price.output, *amounts(ask)),
        )
        reply = integers(
            await self._store.run(
                self._decide,
                [f"{prefix}h:{ask.request_id}", f"{prefix}hx", *subjects],
                [
                    doubles(numbers),
                    ask.workload,
                    fingerprint,
                    remembered(ask.workload, fingerprint) if take and named else b"",
                    spec.packed,
                    self._boundaries(spec.calendars, ask.zone),
                    self._rules(ask.penalties),
                    *spec.fields,
                ],
            )
        )
        return self._answer(ask, spec, reply)

    @staticmethod
    def _answer(ask: Ask, spec: _Spec, reply: tuple[int, ...]) -> Answer:
        status, replayed, expires_us, now_us = reply[:4]
        _require_whole(status, ask.partition)
        if status == _LEDGER_FULL:
            raise Unavailable("postgres")  # what was used before is not written down yet
        if status == _NOT_COVERED:
            raise Unavailable("redis")
        if status == Status.SPENT:
            return Answer(Status.SPENT, (), now_us)
        rows = map(standing_of, spec.limits, reply[8::4], reply[9::4], reply[10::4], reply[11::4])
        return Answer(Status(status), tuple(rows), now_us, expires_us, bool(replayed), penalty_of(ask, reply[4:8]))

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        """Settles at what was used."""
        return await self._settled(reservation, "commit", use, keep_requests=True)

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """Gives the reservation back."""
        settled, _ = await self._settled(reservation, "release", Use(0, 0, 0, None), keep_requests=keep_requests)
        return settled

    async def extend(self, reservation: Reservation, more: Addition, limits: Sequence[Limit]) -> Answer | None:
        """Adds to a live reservation, or changes nothing."""
        args: list[str | int] = [reservation.workload, more.hold_us, _LONGEST_US, *_amounts(more.use)]
        args += [_UNSETTLED_MS, more.request_id]
        reply = await self._store.run(self._extend, _keys(reservation), args)
        status, replayed, expires_us, now_us = reply[:4]
        _require_whole(status, reservation.organisation)
        if status == 0:
            return None
        if status == 4:
            return Answer(Status.SPENT, (), now_us)
        known = {field_of(limit, more.zone).encode(): limit for limit in limits}
        rows = [reply[i : i + 5] for i in range(4, len(reply), 5)]
        standings = tuple(_added(known.get(row[0]), row) for row in rows)
        # A limit that the policy has dropped since is settled, but has no name to be shown by.
        shown = tuple(standing for standing in standings if standing is not None)
        return Answer(Status.ALLOWED if status == 1 else Status.REFUSED, shown, now_us, expires_us, bool(replayed))

    async def _settled(
        self, reservation: Reservation, kind: str, use: Use, *, keep_requests: bool
    ) -> tuple[Settled, int]:
        args: list[str | int] = [reservation.workload, kind, *_amounts(use), int(keep_requests), _TOMBSTONE_MS]
        status, micro_usd = await self._store.run(self._settle, _keys(reservation), args)
        _require_whole(status, reservation.organisation)
        return Settled(status), micro_usd

    def _spec(self, groups: tuple[Group, ...], zone: str) -> _Spec:
        known = self._specs.get((groups, zone))
        if known is None:
            if len(self._specs) > _REMEMBERED:
                self._specs.clear()
            known = self._specs[groups, zone] = _Spec(groups, zone)
        return known

    def _boundaries(self, wanted: tuple[int, ...], zone: str) -> bytes:
        """The calendars in use; they stay the same until the first of their windows ends."""
        now = self._clock.now()
        first, last, packed = self._calendars.get((wanted, zone), (0.0, 0.0, b""))
        if not first <= now < last:
            if len(self._calendars) > _REMEMBERED:
                self._calendars.clear()
            found = []
            for whose, calendar in (CALENDARS[number] for number in wanted):
                found.append(boundaries(calendar, now, zone if whose is Zone.BRAND else "UTC"))
            first = max((b[2] for b in found), default=0.0)
            last = min((b[3] for b in found), default=float("inf"))
            packed = doubles([second for b in found for second in b]) if found else b""
            self._calendars[wanted, zone] = (first, last, packed)
        return packed

    def _rules(self, penalties: Penalties | None) -> bytes:
        found = self._penalties.get(penalties)
        if found is None:
            if len(self._penalties) > 16:
                self._penalties.clear()
            found = self._penalties[penalties] = packed_penalties(penalties)
        return found


class _Spec:
    """The limits of one decision, packed once."""

    __slots__ = ("calendars", "fields", "limits", "packed")

    def __init__(self, groups: tuple[Group, ...], zone: str) -> None:
        self.limits = tuple(limit for group in groups for limit in group.limits)
        wanted = {CALENDARS.index((limit.zone, limit.calendar)) for limit in self.limits if limit.calendar is not None}
        self.calendars = tuple(sorted(wanted))
        self.packed, self.fields = packed_limits(groups, zone, self.calendars)


def _require_whole(status: int, partition: str) -> None:
    if status == _UNSEEDED:
        raise UnseededError(partition)


def _keys(reservation: Reservation) -> list[str]:
    prefix = f"hk:ratelimit:{{{reservation.organisation}}}:"
    return [f"{prefix}h:{reservation.id}", f"{prefix}hx"]


def _amounts(use: Use) -> list[int]:
    price = (use.price.input, use.price.output) if use.price else _OWN_PRICE
    return [use.requests, use.input_tokens, use.output_tokens, *price]


def _fingerprint(ask: Ask, subjects: list[str]) -> str:
    """The same request id for another user, mode or amount is another request."""
    parts = [str(int(ask.mode)), *(str(amount) for amount in ask.asked or amounts(ask)), *subjects]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def _added(limit: Limit | None, row: Sequence[int]) -> Standing | None:
    return None if limit is None else standing_of(limit, *row[1:])
