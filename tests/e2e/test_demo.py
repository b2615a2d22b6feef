"""What a newcomer sees first: `hauberk demo` goes as expected, says so, and leaves nothing behind."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cli.demo.answers import CARD, RESTORED, SSN
from cli.demo.handoff import forge as forge_context
from cli.demo.scenario import Report
from cli.demo.scenarios import PERSONAL, SANITISED, SCENARIOS, forge
from cli.demo.trail import INJECTION

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
        "guardrail: InspectInput",
        "gateway: Admit",
        "auth: Authenticate",
        "tenancy: Authorize",
        "ratelimit: Decide",
        "redaction: Redact",
    ):
        assert part in trace
    assert "━" in trace


def test_the_whole_demo_is_short(demo: subprocess.CompletedProcess[str]) -> None:
    took = float(demo.stdout.partition("scenarios went as expected, in ")[2].partition(" s.")[0])
    assert took < 40


def test_an_injection_an_answer_a_hand_over_a_tool_call_and_the_trail_are_shown(
    demo: subprocess.CompletedProcess[str],
) -> None:
    for part in (
        INJECTION[:40],
        "DENY INJECTION by guardrail, as expected",
        RESTORED,
        "the other workload sees: nothing, as expected",
        "DENY CREDENTIAL_NOT_ACCEPTED by auth, as expected",
        "DENY NOT_PERMITTED by tool, as expected",
        "the model is told",
        "what is wrong, and where: altered",
    ):
        assert part in demo.stdout, part


def test_the_exfiltrating_answer_leaves_with_nothing_filled_in(demo: subprocess.CompletedProcess[str]) -> None:
    part = demo.stdout.partition("An answer that would carry data away")[2].partition("Context handed to")[0]
    assert "elsewhere.example" in part
    assert SSN not in part.replace("<US_SSN>", "") and CARD not in part


def test_an_outcome_that_differs_is_shown_and_fails() -> None:
    report = Report()
    assert not report.holds
    report.expect("outcome", "ALLOW", "ALLOW")
    assert report.holds
    report.expect("the user sees", "a", "b")
    assert not report.holds


def test_a_forged_context_token_keeps_the_form_and_the_signature() -> None:
    token = "e30." + base64.urlsafe_b64encode(b'{"sub":"mira","exp":1}').decode().rstrip("=") + ".c2ln"
    forged = forge_context(token)
    assert forged.count(".") == 2 and forged != token
    assert forged.endswith(".c2ln")


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
