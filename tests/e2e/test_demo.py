"""What a newcomer sees first: `hauberk demo` goes as expected, says so, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cli.demo.scenarios import PERSONAL, SANITISED, SCENARIOS, forge

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "demo"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_every_scenario_goes_as_expected(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stdout[-4000:] + demo.stderr[-2000:]
    assert "✗" not in demo.stdout
    assert f"All {len(SCENARIOS)} scenarios went as expected" in demo.stdout
    for scenario in SCENARIOS:
        assert scenario.title in demo.stdout


def test_what_the_model_would_see_is_shown(demo: subprocess.CompletedProcess[str]) -> None:
    assert PERSONAL in demo.stdout
    assert f"the model would see  {SANITISED}" in demo.stdout


def test_one_trace_is_shown_with_every_service(demo: subprocess.CompletedProcess[str]) -> None:
    trace = demo.stdout.partition("The trace of scenario 1")[2]
    for part in (
        "gateway: Admit",
        "auth: Authenticate",
        "tenancy: Authorize",
        "ratelimit: Decide",
        "redaction: Redact",
    ):
        assert part in trace
    assert "━" in trace


def test_nothing_is_left_behind(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.stderr == ""
    assert not list(Path(tempfile.gettempdir()).glob("hauberk-demo-*"))


def test_a_forged_key_has_the_right_form() -> None:
    from services.auth.policy.api_keys import compose, inspect
    from services.auth.policy.causes import Cause

    key = compose("hbk", "test", bytes(32))
    forged = forge(key)
    assert forged != key
    assert inspect(forged, "hbk", "test") is Cause.NONE
