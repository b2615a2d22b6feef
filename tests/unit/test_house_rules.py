"""House rules that no linter knows, read from the source trees that ship."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("services", "gateway", "embedded", "cli", "hauberk_client")
EVERYTHING = (*SHIPPED, "bench", "tools", "tests")
LONGEST_FILE, LONGEST_FUNCTION = 300, 50
# What stands for the wall clock, and who may read it: the clock itself, and what happens before or beside any decision.
CLOCKS = {"time.time", "datetime.now", "dt.datetime.now", "datetime.datetime.now", "datetime.utcnow", "date.today"}


def files(*trees: str) -> list[Path]:
    return [path for tree in trees for path in sorted((ROOT / tree).rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted names of what is called, with lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield ast.unparse(node.func), node.lineno


def test_only_the_boundary_aborts() -> None:
    """An abort that is not awaited is an allow, so there is one place to look at."""
    found = {
        name_of(path)
        for path in files("services", "gateway")
        for name, _ in calls(parsed(path))
        if name.rpartition(".")[2] in {"abort", "abort_with_status"}
    }
    assert found == {"services/kit/boundary.py"}


def test_only_the_clock_tells_the_time_of_a_decision() -> None:
    allowed = {"services/kit/clock.py", "services/kit/certs.py"}
    found = {
        f"{name_of(path)}:{line}"
        for path in files("services", "gateway")
        for name, line in calls(parsed(path))
        if name in CLOCKS and name_of(path) not in allowed
    }
    assert not found


def test_nothing_is_left_for_later() -> None:
    # Assembled, so that this file does not find itself.
    words = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK"]))
    found = [
        f"{name_of(path)}:{number}"
        for path in files(*EVERYTHING)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not found


def test_no_test_is_skipped() -> None:
    skips = {"skip", "skipif", "xfail", "importorskip"}
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in files("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in skips and "pytest" in ast.unparse(node)
    ]
    assert not found


def test_no_file_is_too_long() -> None:
    long = {name_of(p): n for p in files(*EVERYTHING) if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert not long


@pytest.mark.parametrize("tree", SHIPPED)
def test_no_function_is_too_long(tree: str) -> None:
    long = [
        f"{name_of(path)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in files(tree)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_every_service_has_the_same_house() -> None:
    for folder in sorted((ROOT / "services").iterdir()):
        if folder.name in {"kit", "__pycache__"} or not folder.is_dir():
            continue
        for wanted in ("__main__", "settings", "policy", "ports", "adapters", "servicer", "bootstrap"):
            assert (folder / f"{wanted}.py").exists() or (folder / wanted / "__init__.py").exists(), (
                f"services/{folder.name} has no {wanted}"
            )


def test_every_service_is_held_by_the_import_contracts() -> None:
    """A service that is not listed would be free to import the others."""
    listed = (ROOT / ".importlinter").read_text()
    for folder in sorted((ROOT / "services").iterdir()):
        if folder.is_dir() and folder.name not in {"kit", "__pycache__"}:
            assert listed.count(f"    services.{folder.name}\n") >= 3, f"add services.{folder.name} to .importlinter"
