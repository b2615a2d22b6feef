"""Lines of a file to replay: a bad one is named by its number, the others still count."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from cli import replaying
from cli.errors import CliError
from cli.failure import Failure
from cli.main import main
from cli.replaying import read_lines
from cli.tally import Tally


def test_bad_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_bytes(
        b'{"text": "one"}\n'
        b"not json\n"
        b'["text"]\n'
        b"\n"
        b'{"other": "x"}\n'
        b'{"text": ""}\n'
        b'{"text": "caf\xe9"}\n'  # not UTF-8
        b'{"text": "line\\u2028two"}\n' + b"[" * 100_000 + b'\n{"text": "half \\ud800"}\n'
    )
    messages, bad = read_lines(file, "text")
    assert messages == ["one", "line\u2028two"]
    assert [number for number, _ in bad] == [2, 3, 5, 6, 7, 9, 10]
    assert dict(bad)[2] == "is not JSON"
    assert "text" in dict(bad)[5]


def test_another_field_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"body": "one"}')
    assert read_lines(file, "body") == (["one"], [])


def test_a_file_without_a_message_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"body": "one"}\n')
    with pytest.raises(CliError, match="holds no message"):
        read_lines(file, "text")
    with pytest.raises(CliError, match="cannot be read"):
        read_lines(tmp_path / "none", "text")


@pytest.mark.parametrize(("errors", "status"), [(0, 0), (1, 2)])
def test_the_exit_status_says_whether_all_was_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], errors: int, status: int
) -> None:
    async def replayed(args: argparse.Namespace, messages: Sequence[str], console: Console) -> Tally:
        tally = Tally(users=1, seconds=1.0)
        for _ in messages[:errors]:
            tally.fail(Failure("UNAVAILABLE", "", ""), 0.001)
        return tally

    monkeypatch.setattr(replaying, "replay", replayed)
    file = tmp_path / "messages.jsonl"
    file.write_text('{"text": "one"}\nnot json\n')
    assert main(["replay", str(file), "--json"]) == status
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["undecided"] == errors and found["bad_lines"] == 1
    assert ("could not be decided" in said.err) is bool(errors)
