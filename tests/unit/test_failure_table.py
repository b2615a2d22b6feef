"""The failure tables say what code and data say, and notice when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.stages import CHAINS
from services.ratelimit.adapters.policy_file import load_policy
from tools import failure_table as table

EMPTY = f"# Title\n\n{table.BEGIN}\n{table.END}\n\nAfter.\n"


def test_every_stage_and_limit_stands_with_its_policy() -> None:
    document = load_policy(table.POLICY)
    text = table.tables(CHAINS, document)
    lines = text.splitlines()
    for chain, stages in CHAINS.items():
        own = text.split(f"### Stages of `{chain}`")[1].split("###")[0].splitlines()
        for stage in stages:
            (line,) = [line for line in own if f"| `{stage.name}` | {stage.service} |" in line]
            assert f"| {stage.on_failure.value}: " in line
            assert any(f"| `{chain}`, `{stage.name}` | {stage.service}." in broken for broken in lines)
    for rule in document.limits:
        (line,) = [line for line in lines if f"| `{rule.id}` |" in line]
        assert f"| {rule.on_store_error.value}: " in line
        assert f"| {rule.on_expiry.value}: " in line
    for (who, needs), words in table.CONSEQUENCES.items():
        assert f"| {who} | {needs} | {words} |" in lines


def test_a_dependency_is_found_in_imports_and_channels(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "store.py").write_text("from services.kit.redis import RedisStore\nfrom services.kit import clock\n")
    (folder / "peers.py").write_text("def f(wiring, name):\n    wiring.channel('tenancy')\n    wiring.channel(name)\n")
    assert table.dependencies(folder) == {"redis", "tenancy"}


def test_a_dependency_nobody_described_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    file.write_text("from services.kit.postgres import Database\n")
    with pytest.raises(table.UndescribedError, match="new depends on postgres"):
        table.check_described({"new": file}, {})
    with pytest.raises(table.UndescribedError, match="new does not depend on redis any more"):
        table.check_described({"new": file}, {("new", "postgres"): "refused", ("new", "redis"): "refused"})


def test_the_real_dependencies_are_all_described() -> None:
    table.check_described()


def test_check_fails_until_the_document_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "failure-modes.md"
    document.write_text(EMPTY)
    assert table.main(["--check"], document) == 1
    assert "not up to date" in capsys.readouterr().err
    assert document.read_text() == EMPTY
    assert table.main([], document) == 0
    assert table.main(["--check"], document) == 0
    assert document.read_text().startswith("# Title\n")
    assert document.read_text().endswith("\n\nAfter.\n")


def test_text_outside_the_markers_is_kept_and_broken_markers_are_refused() -> None:
    assert table.merged(EMPTY, "X") == f"# Title\n\n{table.BEGIN}\n\nX\n\n{table.END}\n\nAfter.\n"
    for broken in ("nothing", table.BEGIN, f"{table.END}{table.BEGIN}", EMPTY + table.BEGIN):
        with pytest.raises(ValueError, match="markers"):
            table.merged(broken, "X")


def test_the_committed_document_is_up_to_date() -> None:
    assert table.main(["--check"]) == 0
