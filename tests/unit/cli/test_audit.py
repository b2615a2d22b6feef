"""`hauberk audit`: what is printed, and the exit status of each finding."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from cli import trail
from cli.main import main


class Fake:
    organisation = "acme"
    answer = pb.VerifyResponse(intact=True, verified=7, head="ab" * 32)

    async def verify(self) -> pb.VerifyResponse:
        return self.answer

    async def query(self, *_: Any) -> AsyncIterator[pb.Event]:
        yield pb.Event(sequence=3, code="auth.authenticate", actor="ada", outcome=common.OUTCOME_DENY)

    async def export(self, *_: Any) -> AsyncIterator[bytes]:
        yield b'{"sequence":1}\n'
        yield b'{"sequence":2}\n'


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake()

    @asynccontextmanager
    async def reading(_: Any) -> AsyncIterator[Fake]:
        yield made

    monkeypatch.setattr(trail, "reading", reading)
    return made


@pytest.mark.parametrize(("problem", "status"), [("", 0), ("altered", 3), ("gap", 4), ("truncated", 5), ("new", 3)])
def test_each_finding_has_its_status(fake: Fake, capsys: pytest.CaptureFixture[str], problem: str, status: int) -> None:
    if problem:
        fake.answer = pb.VerifyResponse(problem=problem, first_bad_sequence=4, verified=3)
    assert main(["audit", "verify"]) == status
    assert (problem or "intact") in capsys.readouterr().out
    assert main(["audit", "verify", "--json"]) == status
    said = json.loads(capsys.readouterr().out)
    assert (said["intact"], said["problem"], said["organisation"]) == (not problem, problem, "acme")


def test_an_answer_that_says_nothing_is_not_intact(fake: Fake) -> None:
    fake.answer = pb.VerifyResponse()
    assert main(["audit", "verify"]) == 3


def test_events_are_shown(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "query", "--from", "2026-01-01"]) == 0
    assert "auth.authenticate" in capsys.readouterr().out
    assert main(["audit", "query", "--json"]) == 0
    (event,) = json.loads(capsys.readouterr().out)["events"]
    assert (event["code"], event["outcome"]) == ("auth.authenticate", "OUTCOME_DENY")


def test_an_export_goes_to_a_file(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "export", "--out", str(tmp_path / "trail.jsonl"), "--json"]) == 0
    assert (tmp_path / "trail.jsonl").read_bytes().count(b"\n") == 2
    assert json.loads(capsys.readouterr().out)["events"] == 2
    assert main(["audit", "export", "--out", str(tmp_path / "none" / "trail.jsonl")]) == 2


def test_wrong_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["audit"], ["audit", "burn"], ["audit", "query", "--from", "soon"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
    assert main(["audit", "verify", "--organisation", "nobody", "--data", str(tmp_path)]) == 2
    assert "nobody is none of" in capsys.readouterr().err
