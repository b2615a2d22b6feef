"""`hauberk limits`: what it refuses before asking anybody, and how answers read."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as pb
from rich.console import Console

from cli.commands.limits import seconds
from cli.limits import lines
from cli.main import main


@pytest.mark.parametrize(("text", "expected"), [("30s", 30), ("15m", 900), ("12h", 43_200), ("90d", 7_776_000)])
def test_times(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "91d", "5", "1w", "-1s", "1.5h", "99999999s", "1s1s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds(text)


@pytest.mark.parametrize(
    "argv",
    [
        ["limits"],
        ["limits", "raise"],
        ["limits", "grant"],
        ["limits", "grant", "a.limit", "5"],
        ["limits", "grant", "a.limit", "many", "--for", "1h"],
        ["limits", "grant", "a.limit", "5", "--for", "1y"],
        ["limits", "reset"],
        ["limits", "reset", "--user", "bob"],
    ],
)
def test_what_is_missing_is_said_before_anybody_is_asked(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("hauberk limits: ")


def shown(answer: object) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        for line in lines(answer):
            console.print(line)
    return captured.get()


def test_a_standing_reads_as_limits_grants_and_what_is_held() -> None:
    answer = pb.InspectResponse(
        limits=[pb.LimitStatus(id="user_brand.messages.minute", limit=15000, remaining=3, observed=True)],
        grants=[pb.Granted(limit_id="organisation.money.day", limit=25_000_000)],
        penalties=[
            pb.Penalty(
                subject="user_brand",
                level=pb.PENALTY_LEVEL_SLOW,
                score_permille=310,
                counts=[pb.PenaltyCount(kind="injection", count=3)],
            ),
            pb.Penalty(subject="api_key", score_permille=4),
        ],
    )
    answer.grants[0].expires_at.FromDatetime(datetime(2026, 2, 1, tzinfo=UTC))
    answer.penalties[0].until.FromDatetime(datetime(2026, 1, 31, 12, 5, tzinfo=UTC))
    text = shown(answer)
    assert "user_brand.messages.minute (observed)" in text
    assert "15,000" in text
    assert "granted: organisation.money.day is 25,000,000 until 2026-02-01 00:00:00 UTC" in text
    assert "held against user_brand: slow until 01-31 12:05:00 UTC, score 310 of 1000" in text
    assert "for injection 3" in text
    assert "held against api_key: none, score 4 of 1000, suspended 0 times; for refusals over a limit" in text


def test_a_reset_says_what_was() -> None:
    done = pb.ResetResponse(
        limits=[pb.Cleared(limit_id="user_brand.messages.minute", used_before=15)],
        penalties=[pb.Penalty(subject="address", level=pb.PENALTY_LEVEL_SUSPEND, strikes=2)],
    )
    text = shown(done)
    assert "user_brand.messages.minute is zero; it had counted 15" in text
    assert "wiped: held against address: suspend" in text
    assert "suspended 2 times" in text
    assert "nothing to clear" in shown(pb.ResetResponse())
