"""What the scripts are sent and what they answer: the shapes that `scripts/*.lua` describe at their heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.ratelimit.adapters.packing import doubles, pack
from services.ratelimit.policy import (
    CALENDARS,
    Algorithm,
    Group,
    Level,
    Limit,
    Mode,
    OnExpiry,
    Penalties,
    Penalty,
    Standing,
    Subject,
    Unit,
    Zone,
)
from services.ratelimit.ports import Ask

PENALISED = frozenset({Subject.ADDRESS, Subject.API_KEY, Subject.USER_BRAND})
_ALGORITHMS = {Algorithm.GCRA: 1, Algorithm.SLIDING: 2, Algorithm.CALENDAR: 3, Algorithm.LIVE: 4}
_UNITS = {Unit.REQUESTS: 1, Unit.TOKENS: 2, Unit.MICRO_USD: 3, Unit.CONCURRENCY: 4}
_MOST = {Unit.TOKENS: 5, Unit.MICRO_USD: 6}
_LATER, _NEVER, _CLAMPED, _TRUSTED = 0, 2, 4, 8


def field_of(limit: Limit, zone: str) -> str:
    """Where the state of a limit is kept. Its shape is part of the name: state of another shape is never misread."""
    if limit.calendar is not None:
        own = f"@{zone}" if limit.zone is Zone.BRAND else ""
        return f"{limit.id}|{limit.calendar.value[0]}{own}"
    return f"{limit.id}|{limit.algorithm.value[0]}{limit.window_seconds}"


def _period(limit: Limit, calendars: Sequence[int]) -> int:
    if limit.calendar is not None:
        return calendars.index(CALENDARS.index((limit.zone, limit.calendar))) + 1
    return limit.interval_us if limit.algorithm is Algorithm.GCRA else limit.window_seconds * 1000


def _numbers(limit: Limit, calendars: Sequence[int]) -> list[int]:
    held = 0 if limit.exact or limit.hold_permille >= 1000 else max(1, limit.capacity * limit.hold_permille // 1000)
    return [
        _ALGORITHMS[limit.algorithm],
        _MOST.get(limit.unit, _UNITS[limit.unit]) if limit.exact else _UNITS[limit.unit],
        limit.capacity,
        _period(limit, calendars),
        int(limit.observe),
        int(limit.on_expiry is OnExpiry.CHARGE),
        held if limit.unit in _MOST else 0,
        limit.trusted,
        limit.trusted_below,
        *(0, 0, 0),  # for the script's own use
    ]


def _width_ms(limit: Limit) -> int:
    """At least; no window of a calendar is shorter than the shortest day."""
    return 82_800_000 if limit.calendar is not None else limit.window_seconds * 1000


def _renewed(group: Group) -> bool:
    """Whether every write must renew the life of a subject's state. The first one in each window does; in between, a
    GCRA may need it when it remembers for longer than the shortest of those windows."""
    widths = [_width_ms(limit) for limit in group.limits if limit.algorithm in (Algorithm.SLIDING, Algorithm.CALENDAR)]
    kept = [limit.state_ms for limit in group.limits if limit.algorithm is Algorithm.GCRA]
    return not widths or max(kept, default=0) > min(widths)


def packed_limits(groups: Sequence[Group], zone: str, calendars: Sequence[int]) -> tuple[bytes, list[bytes]]:
    """All limits of a decision, flat, and the fields that they are kept in. `calendars`: those that come along."""
    flat: list[int] = []
    fields: list[bytes] = []
    for group in groups:
        penal = group.subject in PENALISED
        flies = any(limit.algorithm is Algorithm.LIVE for limit in group.limits)
        flat += [group.state_ms, len(group.limits), int(penal), int(flies), int(_renewed(group))]
        fields += [b"pen"] if penal else []
        fields += [field_of(limit, zone).encode() for limit in group.limits]
        for limit in group.limits:
            flat += _numbers(limit, calendars)
    return doubles(flat), fields


def packed_penalties(rules: Penalties | None) -> bytes:
    """The rules of penalties, or nothing: then none is looked at."""
    if rules is None:
        return b""
    steps = [number for step in rules.steps for number in (step.score, step.lasts_ms)]
    return pack(
        [
            rules.half_life_ms,
            rules.strike,
            int(rules.enforced),
            rules.longest_ms,
            rules.forgiven_ms,
            rules.state_ms,
            rules.slow_weight,
            rules.limit_weight,
            *steps,
        ]
    )


def amounts(ask: Ask) -> list[int]:
    """What is asked in each unit, by the scripts' numbers."""
    costs = ask.costs
    looks = ask.mode is Mode.PEEK and (costs.requests or costs.tokens or costs.micro_usd)
    most = (max(costs.tokens, costs.most_tokens), max(costs.micro_usd, costs.most_micro_usd))
    in_flight = int(ask.mode is Mode.RESERVE or bool(looks))
    return [costs.requests, costs.tokens, costs.micro_usd, in_flight, *most]


def remembered(workload: str, fingerprint: str) -> bytes:
    """What is kept of an answered TAKE: the map that a hold is, as far as there is one."""
    return b"\x84\xa1s\xa5taken\xa1w" + pack(workload) + b"\xa1f" + pack(fingerprint) + b"\xa1x\x00"


def standing_of(limit: Limit, code: int, remaining: int, wait_us: int, reset_us: int) -> Standing:
    """One limit of an answer."""
    if code == 1:
        return Standing(limit, True, False, remaining, wait_us, reset_us)
    shown = replace(limit, limit=limit.trusted, capacity=limit.trusted) if code & _TRUSTED else limit
    fits = code & 3
    return Standing(shown, fits == 1, fits == _NEVER, remaining, wait_us, reset_us, clamped=bool(code & _CLAMPED))


def penalty_of(ask: Ask, row: Sequence[int]) -> Penalty | None:
    """The hardest penalty of an answer, if any stands."""
    group, level, until_ms, score = row
    if group == 0:
        return None
    return Penalty(ask.groups[group - 1].group.subject, Level(level), until_ms * 1000, score)
