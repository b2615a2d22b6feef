"""check-config: what a service would not start with is named, key by key, and no value is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import main
from cli.services import RUNNABLE


@pytest.mark.parametrize("service", RUNNABLE)
def test_the_defaults_are_ok(capsys: pytest.CaptureFixture[str], service: str) -> None:
    assert main(["check-config", service]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_every_wrong_key_has_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("log_level: LOUD\ntrace_ratio: 7\nredis_urll: redis://:hunter2@h\n")
    assert main(["check-config", "gateway", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines} == {"log_level:", "trace_ratio:", "redis_urll:"}
    assert "hunter2" not in "".join(lines)


def test_the_policy_is_checked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    policy = tmp_path / "limits.yaml"
    policy.write_text("version: '1'\nplans: [free]\nlimitz: []\n")
    file = tmp_path / "ratelimit.yaml"
    file.write_text(f"ratelimit_policy: {policy}\n")
    assert main(["check-config", "ratelimit", str(file)]) == 1
    assert "limitz" in capsys.readouterr().out


def test_the_policy_of_auth_is_checked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    policy = tmp_path / "own.yaml"
    policy.write_text("version: '1'\nplans: [free]\ndefault_plan: free\nsessions: {most_live: 0}\n")
    file = tmp_path / "auth.yaml"
    file.write_text(f"auth_policy: {policy}\n")
    assert main(["check-config", "auth", str(file)]) == 1
    assert "sessions.most_live" in capsys.readouterr().out


def test_the_rules_against_attacks_are_checked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    policy = tmp_path / "own.yaml"
    policy.write_text("version: '1'\nrulez: []\n")
    file = tmp_path / "audit.yaml"
    file.write_text(f"response_policy: {policy}\n")
    assert main(["check-config", "audit", str(file)]) == 1
    assert "response_policy" in capsys.readouterr().out


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check-config", "auth", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().out
