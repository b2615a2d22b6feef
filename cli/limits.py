"""Limits and penalties as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from rich.table import Table
from rich.text import Text


def lines(answer: Any) -> Iterator[Any]:
    """What an answer of the rate limiter says."""
    if isinstance(answer, pb.InspectResponse):
        yield _standing(answer.limits)
        yield from (_granted(one) for one in answer.grants)
        yield from _held(answer.penalties)
    elif isinstance(answer, pb.GrantResponse):
        yield _granted(answer.granted)
    else:
        yield from _cleared(answer)


def _standing(limits: Iterable[pb.LimitStatus]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("limit", "amount", "left", "resets (UTC)"):
        table.add_column(title, justify="right" if title in ("amount", "left") else "left")
    for one in limits:
        when = one.resets_at.ToDatetime().strftime("%m-%d %H:%M:%S") if one.HasField("resets_at") else "-"
        note = " (observed)" if one.observed else ""
        table.add_row(Text(one.id + note), f"{one.limit:,}", f"{one.remaining:,}", when)
    return table


def _granted(one: pb.Granted) -> Text:
    return Text(f"granted: {one.limit_id} is {one.limit:,} until {one.expires_at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC")


def _held(penalties: Iterable[pb.Penalty]) -> Iterator[Text]:
    for one in penalties:
        level = pb.PenaltyLevel.Name(one.level).removeprefix("PENALTY_LEVEL_").lower().replace("unspecified", "none")
        until = f" until {one.until.ToDatetime():%m-%d %H:%M:%S} UTC" if one.HasField("until") else ""
        counts = ", ".join(f"{count.kind} {count.count}" for count in one.counts) or "refusals over a limit"
        seen = " (only observed)" if one.observed else ""
        yield Text(
            f"held against {one.subject}: {level}{until}{seen}, score {one.score_permille} of 1000, "
            f"suspended {one.strikes} times; for {counts}"
        )


def _cleared(done: pb.ResetResponse) -> Iterator[Text]:
    for one in done.limits:
        was = f"had counted {one.used_before:,}" if not one.HasField("whole_in") else "was partly used"
        yield Text(f"{one.limit_id} is zero; it {was}")
    for line in _held(done.penalties):
        yield Text(f"wiped: {line.plain}")
    if not (done.limits or done.penalties):
        yield Text("there was nothing to clear")
