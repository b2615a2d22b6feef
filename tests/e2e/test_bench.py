"""Benchmarks run at small sizes and end with one line of JSON in the agreed form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"case", "n", "p50_ms", "p99_ms", "per_second", "ratio_to_echo"}


def bench(name: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bench", name, "--small", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["bench"] == name
    cases: list[dict[str, Any]] = last["cases"]
    for case in cases:
        assert set(case) >= KEYS
        assert 0 < case["p50_ms"] <= case["p99_ms"]
        assert case["ratio_to_echo"] > 0
    return cases


def test_echo_is_its_own_yardstick() -> None:
    (case,) = bench("echo")
    assert 0.3 < case["ratio_to_echo"] < 3


def test_admit_runs_embedded_and_as_processes() -> None:
    assert [case["case"] for case in bench("admit")] == ["embedded", "processes"]


def test_a_revoked_user_is_refused_everywhere_within_a_second() -> None:
    guard, embedded = bench("revoke")
    assert (guard["case"], embedded["case"]) == ("guard", "embedded")
    assert guard["p50_ms"] < 0.05
    assert embedded["verifiers"] == 8 and embedded["accepted_before"] > 100
    assert embedded["after_return_max_ms"] < 1000


def test_complete_restores_every_placeholder() -> None:
    (case,) = bench("complete")
    assert case["case"] == "embedded"
    assert case["placeholders"] == 6


def test_authenticate_tells_what_a_signature_costs_and_a_bad_checksum() -> None:
    cases = {case["case"]: case for case in bench("authenticate")}
    assert list(cases) == ["cached RS256", "cached ES256", "cold RS256", "cold ES256", "api key", "bad checksum"]
    assert cases["bad checksum"]["p50_us"] < 10


def test_a_search_finds_as_many_as_there_are() -> None:
    cases = bench("search")
    assert [case["case"] for case in cases] == ["10 documents", "100 documents", "1000 documents"]
    for case in cases:
        assert case["rows_least"] == 10
        assert case["recall_at_10"] >= 0.95


def test_a_plan_is_never_wider_than_the_check() -> None:
    (case,) = bench("plan")
    assert (case["wider"], case["disagreements"]) == (0, 0)
    assert case["allowed"] > case["left_out"] > 0


def test_a_decision_is_one_round_trip_and_stands_beside_two_libraries() -> None:
    cases = {case["case"]: case for case in bench("decide")}
    assert list(cases)[:5] == ["TAKE 1", "TAKE 8", "TAKE 32", "PEEK 8", "RESERVE 8"]
    ours = [case for name, case in cases.items() if name.startswith(("TAKE", "PEEK", "RESERVE"))]
    assert {case["round_trips"] for case in ours if "in flight" not in case["case"]} == {1.0}
    # What is asked at the same time goes along.
    assert all(case["round_trips"] < 0.9 for case in ours if "in flight" in case["case"])
    assert all(case["per_redis_core"] > 0 for case in ours)
    peers = [case for name, case in cases.items() if "eight limits" in name]
    assert len(peers) == 16
    assert all(7.5 < case["round_trips"] < 8.5 for case in peers)
    far = cases["TAKE 8, limiter alone, far Redis"]
    assert far["x_limits"] > 2 and far["x_throttled_py"] > 2
