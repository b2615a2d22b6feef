"""The command line itself: help that teaches, errors in one line, documented exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.commands.chain import METHODS
from cli.main import COMMANDS, main
from gateway.stages import CHAINS


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    try:
        status = main(list(argv))
    except SystemExit as left:
        status = int(left.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("command", [c.__name__.rpartition(".")[2].replace("_", "-") for c in COMMANDS])
def test_every_command_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert "example" in out
    assert f"hauberk {command}" in out


def test_the_first_help_names_every_command_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for word in (
        "up",
        "serve",
        "prepare",
        "demo",
        "admit",
        "complete",
        "tool",
        "replay",
        "audit",
        "sessions",
        "revocations",
        "chain",
        "check-config",
        "version",
        "exit status",
    ):
        assert word in out


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nonsense",),
        ("admit",),
        ("admit", "half \ud800"),
        ("complete", "adm_x"),
        ("complete", "adm_x", "half \ud800"),
        ("tool", "adm_x", "brand.report"),
        ("chain", "--method", "Nothing"),
        ("audit", "nothing"),
        ("audit", "query", "--from", "yesterday"),
        ("admit", "x", "--user", "a", "--key", "b"),
        ("replay",),
        ("replay", "x.jsonl", "--users", "0"),
        ("replay", "no-such-file.jsonl"),
        ("up", "--port", "99999"),
        ("serve",),
        ("serve", "nothing"),
        ("check-config", "nothing"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]) -> None:
    status, out, err = run(capsys, *argv)
    assert status == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("hauberk")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "version")
    assert status == 0
    assert out.startswith("hauberk ")


def test_chain_as_json_lists_stages_with_their_prerequisites(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "chain", "--json")
    stages = json.loads(out)["stages"]
    assert status == 0
    names = [stage["name"] for stage in stages]
    assert names[:2] == ["address", "auth"]
    for stage in stages:
        assert set(stage["needs"]) <= set(names)
        assert stage["on_failure"] in {"closed", "open", "degrade"}
        assert 0 < stage["share"] <= 1


def test_chain_as_json_has_every_chain(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "chain", "--json")
    found = json.loads(out)
    assert status == 0
    assert list(found["chains"]) == list(METHODS) == list(CHAINS)
    assert found["chains"]["Admit"] == found["stages"]
    assert [stage["name"] for stage in found["stages"]] == [
        "address",
        "auth",
        "tenancy",
        "ratelimit",
        "guardrail",
        "redaction",
        "context",
        "admission",
    ]
    assert [stage["name"] for stage in found["chains"]["Complete"]] == ["admission", "output", "restore"]


def test_one_chain_can_be_picked(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "chain", "--json", "--method", "AuthorizeToolCall")
    found = json.loads(out)
    assert list(found["chains"]) == ["AuthorizeToolCall"]
    assert found["stages"] == []


def test_chain_prints_a_row_per_stage(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "chain")
    assert status == 0
    for word in ("Admit", "redaction", "ratelimit", "Complete", "output", "AuthorizeToolCall", "tool"):
        assert word in out


def test_serve_help_lists_the_settings_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "serve", "ratelimit", "--help")
    assert status == 0
    for word in ("HAUBERK_REDIS_URL", "HAUBERK_RATELIMIT_POLICY", "limits, budgets and prices"):
        assert word in out


def test_serve_without_certificates_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "ratelimit.yaml"
    config.write_text("redis_url: redis://:hunter2@127.0.0.1:1\n")
    monkeypatch.setenv("HAUBERK_CONFIG", "set aside")  # restored afterwards: serve sets it
    status, _, err = run(capsys, "serve", "ratelimit", "--config", str(config))
    assert status == 2
    assert "tls_cert" in err
    assert "hunter2" not in err
