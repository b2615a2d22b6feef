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


@pytest.mark.parametrize(
    ("service", "setting", "policy", "said"),
    [
        ("ratelimit", "ratelimit_policy", "version: '1'\nplans: [free]\nlimitz: []\n", "limitz"),
        (
            "auth",
            "auth_policy",
            "version: '1'\nplans: [free]\ndefault_plan: free\nsessions: {most_live: 0}\n",
            "sessions.most_live",
        ),
        ("audit", "response_policy", "version: '1'\nrulez: []\n", "response_policy"),
    ],
)
def test_the_policy_is_checked_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, service: str, setting: str, policy: str, said: str
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(policy)
    file = tmp_path / f"{service}.yaml"
    file.write_text(f"{setting}: {own}\n")
    assert main(["check-config", service, str(file)]) == 1
    assert said in capsys.readouterr().out


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check-config", "auth", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().out
