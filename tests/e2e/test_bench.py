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


def test_complete_restores_every_placeholder() -> None:
    (case,) = bench("complete")
    assert case["case"] == "embedded"
    assert case["placeholders"] == 6
