"""Limits in Redis: one script, one round trip, one slot per organisation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.redis import RedisStore, Script
from services.ratelimit.policy import (
    CALENDARS,
    Algorithm,
    Group,
    Limit,
    OnExpiry,
    Standing,
    Unit,
    boundaries,
)
from services.ratelimit.ports import Answer, Ask, Reservation, Settled, Status, Use

_FOLDER = Path(__file__).parent / "scripts"
_ALGORITHMS = {Algorithm.GCRA: 1, Algorithm.SLIDING: 2, Algorithm.CALENDAR: 3}
_UNITS = {Unit.REQUESTS: 1, Unit.TOKENS: 2, Unit.MICRO_USD: 3}

_REPLAY_MS = 120_000  # how long an answered TAKE is remembered
_TOMBSTONE_MS = 600_000  # how long a settled or expired reservation is
_UNSETTLED_MS = 86_400_000  # how long a hold waits for the next call of its organisation to reap it
_LONGEST_US = 3_600_000_000
_NOT_COVERED = 3
_OWN_PRICE = (-1, -1)


def script(name: str, source: str | None = None) -> Script:
    """A script of this service: what all share, then its own part."""
    common = source if source is not None else (_FOLDER / "common.lua").read_text(encoding="utf-8")
    return Script(f"ratelimit {name}", common + (_FOLDER / f"{name}.lua").read_text(encoding="utf-8"))


def field_of(limit: Limit) -> str:
    """Where the state of a limit is kept. Its shape is part of the name: state of another shape is never misread."""
    if limit.calendar is not None:
        return f"{limit.id}|{limit.calendar.value[0]}"
    return f"{limit.id}|{limit.algorithm.value[0]}{limit.window_seconds}"


def _period(limit: Limit) -> int:
    if limit.calendar is not None:
        return CALENDARS.index(limit.calendar) + 1
    return limit.interval_us if limit.algorithm is Algorithm.GCRA else limit.window_seconds * 1000


def _spec(limit: Limit) -> list[str | int]:
    keep = int(limit.on_expiry is OnExpiry.CHARGE)
    return [
        field_of(limit),
        _ALGORITHMS[limit.algorithm],
        _UNITS[limit.unit],
        limit.capacity,
        _period(limit),
        int(limit.observe),
        keep,
    ]


class RedisLimits:
    """Implements `LimitStore`. The calendars sent along are computed from `clock`; which window counts, Redis says."""

    def __init__(self, store: RedisStore, clock: Clock, common: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._decide = script("decide", common)
        self._settle = script("settle", common)
        self._extend = script("extend", common)
        self._specs: dict[tuple[Group, ...], tuple[str, tuple[Limit, ...]]] = {}
        self._calendars = (0, "")

    async def decide(self, ask: Ask) -> Answer:
        """Takes, looks or reserves, in one round trip."""
        spec, limits = self._compiled(tuple(bound.group for bound in ask.groups))
        prefix = f"hk:ratelimit:{{{ask.partition}}}:"
        subjects = [prefix + ":".join(bound.name) for bound in ask.groups]
        costs = ask.costs
        reply = await self._store.run(
            self._decide,
            [f"{prefix}h:{ask.request_id}", f"{prefix}hx", *subjects],
            [
                int(ask.mode),
                int(bool(ask.request_id)),
                ask.workload,
                _fingerprint(ask, subjects) if ask.request_id else "",
                ask.hold_us,
                _REPLAY_MS if ask.mode is ask.mode.TAKE else _TOMBSTONE_MS,
                _UNSETTLED_MS,
                costs.requests,
                costs.tokens,
                costs.micro_usd,
                ask.price.input,
                ask.price.output,
                spec,
                self._boundaries(),
            ],
        )
        status, replayed, expires_us, now_us = reply[:4]
        if status == _NOT_COVERED:
            raise Unavailable("redis")
        return Answer(Status(status), _standings(limits, reply[4:]), now_us, expires_us, bool(replayed))

    async def commit(self, reservation: Reservation, use: Use) -> tuple[Settled, int]:
        """Settles at what was used."""
        return await self._settled(reservation, "commit", use, keep_requests=True)

    async def release(self, reservation: Reservation, *, keep_requests: bool) -> Settled:
        """Gives the reservation back."""
        settled, _ = await self._settled(reservation, "release", Use(0, 0, 0, None), keep_requests=keep_requests)
        return settled

    async def extend(self, reservation: Reservation, use: Use, hold_us: int, limits: Sequence[Limit]) -> Answer | None:
        """Adds to a live reservation, or changes nothing."""
        args: list[str | int] = [
            reservation.workload,
            hold_us,
            _LONGEST_US,
            *_amounts(use),
            _UNSETTLED_MS,
            self._boundaries(),
        ]
        reply = await self._store.run(self._extend, _keys(reservation), args)
        status, expires_us, now_us = reply[:3]
        if status == _NOT_COVERED:
            raise Unavailable("redis")
        if status == 0:
            return None
        known = {field_of(limit).encode(): limit for limit in limits}
        rows = [reply[i : i + 5] for i in range(3, len(reply), 5)]
        # A limit that the policy has dropped since is settled, but has no name to be shown by.
        standings = [_standing(known[row[0]], row[1:]) for row in rows if row[0] in known]
        return Answer(Status.ALLOWED if status == 1 else Status.REFUSED, tuple(standings), now_us, expires_us)

    async def _settled(
        self, reservation: Reservation, kind: str, use: Use, *, keep_requests: bool
    ) -> tuple[Settled, int]:
        args: list[str | int] = [reservation.workload, kind, *_amounts(use), int(keep_requests), _TOMBSTONE_MS]
        status, micro_usd = await self._store.run(self._settle, _keys(reservation), args)
        return Settled(status), micro_usd

    def _compiled(self, groups: tuple[Group, ...]) -> tuple[str, tuple[Limit, ...]]:
        known = self._specs.get(groups)
        if known is None:
            if len(self._specs) > 4096:
                self._specs.clear()
            text = json.dumps(
                [[group.state_ms, [_spec(limit) for limit in group.limits]] for group in groups],
                separators=(",", ":"),
            )
            known = self._specs[groups] = (text, tuple(limit for group in groups for limit in group.limits))
        return known

    def _boundaries(self) -> str:
        now = self._clock.now()
        day = int(now // 86_400)
        if self._calendars[0] != day:
            self._calendars = (day, json.dumps([boundaries(calendar, now) for calendar in CALENDARS]))
        return self._calendars[1]


def _keys(reservation: Reservation) -> list[str]:
    prefix = f"hk:ratelimit:{{{reservation.organisation}}}:"
    return [f"{prefix}h:{reservation.id}", f"{prefix}hx"]


def _amounts(use: Use) -> list[int]:
    price = (use.price.input, use.price.output) if use.price else _OWN_PRICE
    return [use.requests, use.input_tokens, use.output_tokens, *price]


def _fingerprint(ask: Ask, subjects: list[str]) -> str:
    """The same request id for another user, mode or amount is another request."""
    costs = ask.costs
    parts = [str(int(ask.mode)), str(costs.requests), str(costs.tokens), str(costs.micro_usd), *subjects]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def _standing(limit: Limit, row: Sequence[int]) -> Standing:
    fits, remaining, wait_us, reset_us = row
    return Standing(limit, fits == 1, fits == 2, remaining, wait_us, reset_us)


def _standings(limits: tuple[Limit, ...], flat: Sequence[int]) -> tuple[Standing, ...]:
    if not flat:
        return ()
    return tuple(_standing(limit, flat[i * 4 : i * 4 + 4]) for i, limit in enumerate(limits))
