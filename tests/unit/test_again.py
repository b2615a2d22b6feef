"""What failed is found by its file, once; nothing is found where nothing failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import again


def test_files_of_what_failed(tmp_path: Path) -> None:
    assert again.files(tmp_path) == []
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("")
    (tmp_path / again.FAILED).parent.mkdir(parents=True)
    failed = {"tests/test_a.py::test_x[1]": True, "tests/test_a.py::test_y": True, "tests/test_gone.py::test_z": True}
    (tmp_path / again.FAILED).write_text(json.dumps(failed))
    assert again.files(tmp_path) == ["tests/test_a.py"]


@pytest.mark.parametrize("count", [0, again.MOST + 1])
def test_nothing_and_too_much_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(again, "files", lambda: [f"tests/test_{n}.py" for n in range(count)])
    monkeypatch.setattr("subprocess.run", None)
    assert again.main([]) == 1
