"""Limits as an HTTP response may show them: the fields of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After.

Both fields are Lists of Strings with Parameters (RFC 9651). A limit that only observes is no promise and is left out,
and so is one whose store was away: what is left of it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.ratelimit.policy.model import Calendar, Decision, Limit, Outcome, Standing, Unit

# "requests" is the default and need not be said. The draft's registry has no word for the other two.
_UNITS = {Unit.TOKENS: "tokens", Unit.MICRO_USD: "micro-usd", Unit.CONCURRENCY: "concurrent-requests"}
# Months differ in length, so a month has no `w`; `t` says when it ends.
_WINDOWS = {Calendar.DAY: 86_400, Calendar.WEEK: 604_800}
_MICROS = 1_000_000
# The largest integer of a structured field.
_LARGEST = 999_999_999_999_999


def header_fields(decision: Decision) -> Mapping[str, str]:
    """RateLimit-Policy and RateLimit for every limit that counted; Retry-After when it may fit later."""
    shown = [standing for standing in decision.standings if not (standing.limit.observe or standing.degraded)]
    fields = {}
    if shown:
        fields["RateLimit-Policy"] = ", ".join(_policy(standing.limit) for standing in shown)
        fields["RateLimit"] = ", ".join(_standing(standing) for standing in shown)
    if decision.outcome is not Outcome.ALLOW and decision.retry_after_us is not None:
        fields["Retry-After"] = str(max(1, _seconds(decision.retry_after_us)))
    return fields


def _policy(limit: Limit) -> str:
    window = limit.window_seconds or (_WINDOWS.get(limit.calendar, 0) if limit.calendar else 0)
    unit = f';qu="{_UNITS[limit.unit]}"' if limit.unit in _UNITS else ""
    return f'"{limit.id}";q={_whole(limit.limit)}{unit}' + (f";w={window}" if window else "")


def _standing(standing: Standing) -> str:
    left = f'"{standing.limit.id}";r={_whole(standing.remaining)}'
    return left + (f";t={_whole(_seconds(standing.reset_us))}" if standing.reset_us > 0 else "")


def _seconds(micros: int) -> int:
    """Rounded up: a caller who waits that long is not refused for having come a moment early."""
    return -(-micros // _MICROS)


def _whole(number: int) -> int:
    return min(max(number, 0), _LARGEST)
