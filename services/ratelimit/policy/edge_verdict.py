"""From the standing of each limit to the answer for each descriptor, and the header fields for the client. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.ratelimit.policy.descriptors import DescriptorLimit

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class EdgeStanding:
    """Where a descriptor stands with one limit; `wait_us` is None when it fits, or never will."""

    limit: DescriptorLimit
    fits: bool
    remaining: int
    wait_us: int | None
    reset_us: int

    @property
    def over(self) -> bool:
        """Refused by this limit; one that only observes refuses nobody."""
        return not self.fits and self.limit.mode == "enforce"


@dataclass(frozen=True, slots=True)
class DescriptorAnswer:
    """The answer for one descriptor: over or not, and the limit nearest to its end (None: none applies)."""

    over: bool
    nearest: EdgeStanding | None = None


@dataclass(frozen=True, slots=True)
class EdgeDecision:
    """The answer for a request."""

    over: bool
    answers: tuple[DescriptorAnswer, ...]
    headers: tuple[tuple[str, str], ...]


def judge(
    standings: Sequence[Sequence[EdgeStanding]], owners: Sequence[int | None], *, allow_unmatched: bool
) -> EdgeDecision:
    """Over when any descriptor is; a descriptor that no rule matches is, unless the domain lets it pass."""
    by_draw = [_answer(found) for found in standings]
    missing = DescriptorAnswer(over=not allow_unmatched)
    answers = tuple(missing if owner is None else by_draw[owner] for owner in owners)
    return EdgeDecision(any(answer.over for answer in answers), answers, _headers(standings))


def refuse_unmatched(owners: Sequence[int | None]) -> EdgeDecision:
    """Nothing was looked at or taken, as some descriptor has no limit in a domain where each must have one."""
    return EdgeDecision(True, tuple(DescriptorAnswer(over=owner is None) for owner in owners), ())


def _answer(standings: Sequence[EdgeStanding]) -> DescriptorAnswer:
    return DescriptorAnswer(any(each.over for each in standings), min(standings, key=_nearness))


def _nearness(standing: EdgeStanding) -> tuple[bool, float, float]:
    # A refusal first, one that never ends before one that does, the longest wait before a shorter; else the fullest.
    wait = float("inf") if standing.wait_us is None else standing.wait_us
    return not standing.over, -wait if standing.over else 0.0, standing.remaining / standing.limit.limit


def _headers(standings: Sequence[Sequence[EdgeStanding]]) -> tuple[tuple[str, str], ...]:
    """`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers, and `Retry-After`: the longest wait
    of all that refuse, left out when no wait would help."""
    nearest: dict[str, EdgeStanding] = {}
    for each in sorted((each for found in standings for each in found), key=_nearness):
        nearest.setdefault(each.limit.id, each)
    shown = list(nearest.values())[:_SHOWN]
    if not shown:
        return ()
    fields = [
        ("ratelimit-policy", ", ".join(f'"{s.limit.id}";q={s.limit.limit};w={s.limit.window}' for s in shown)),
        ("ratelimit", ", ".join(f'"{s.limit.id}";r={s.remaining};t={_seconds(s.reset_us)}' for s in shown)),
    ]
    waits = [each.wait_us for found in standings for each in found if each.over]
    known = [wait for wait in waits if wait is not None]
    if known and len(known) == len(waits):
        fields.append(("retry-after", str(max(1, _seconds(max(known))))))
    return tuple(fields)


def _seconds(micros: int) -> int:
    return -(-micros // 1_000_000)
