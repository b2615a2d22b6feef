"""The commands against a stack that `hauberk up` runs in another process, as a person uses them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hauberk.auth.v1.auth_service_pb2 import CreateSessionRequest
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub

from cli.demo.tools import TOOL
from cli.main import main
from cli.members import Administrator
from embedded.client import Connection
from embedded.layout import read_running
from tests.support.stores import make_folder, servers

ROOT = Path(__file__).resolve().parents[2]
PERSONAL = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010"


def hauberk(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *args]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False)


class Up:
    """`hauberk up` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "cli.main", "up", "--data", str(folder), "--port", "0"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while read_running(folder) is None:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    base = make_folder()
    running = Up(base / "data")
    yield running
    if running.process.poll() is None:
        running.stop()
    shutil.rmtree(base, ignore_errors=True)


def test_admit_prints_verdicts_and_the_model_s_view(up: Up) -> None:
    done = hauberk("admit", "--data", str(up.folder), PERSONAL)
    assert done.returncode == 0, done.stderr
    assert "My SSN is <US_SSN> and credit card is <CREDIT_CARD>" in done.stdout
    for part in ("allowed", "redaction", "adm_", "of 15 requests"):
        assert part in done.stdout
    assert "not searched for" not in done.stdout


def test_admit_as_json_is_one_object(up: Up) -> None:
    done = hauberk("admit", "--data", str(up.folder), "--user", "nora", "--json", "-", stdin=PERSONAL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outcome"] == "OUTCOME_ALLOW"
    assert found["messages"][0]["text"] == "My SSN is <US_SSN> and credit card is <CREDIT_CARD>"
    assert found["messages"][0]["entities"] == ["US_SSN", "CREDIT_CARD"]
    assert not found["entities_not_searched"]
    assert [verdict["stage"] for verdict in found["verdicts"]][:2] == ["address", "auth"]


def test_a_refusal_is_status_1(up: Up) -> None:
    done = hauberk("admit", "--data", str(up.folder), "--brand", "globex-chat", "--json", "hello")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["outcome"] == "OUTCOME_DENY"
    assert found["messages"] == []
    assert hauberk("admit", "--data", str(up.folder), "--key", "hbk_test_nonsense", "hello").returncode == 1


def test_what_cannot_be_decided_is_status_2_and_one_line(up: Up) -> None:
    done = hauberk("admit", "--data", str(up.folder), "--brand", "Not A Brand", "--json", "hello")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["fields"][0]["field"] == "brand"
    assert len(done.stderr.splitlines()) == 1 and "brand" in done.stderr


def admission(up: Up, *more: str) -> str:
    done = hauberk("admit", "--data", str(up.folder), "--json", *more, PERSONAL)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["admission"])


def test_complete_gives_the_values_back(up: Up) -> None:
    handle = admission(up, "--user", "olga")
    done = hauberk("complete", "--data", str(up.folder), handle, "Noted: <US_SSN>.")
    assert done.returncode == 0, done.stderr
    for part in ("allowed", "output", "restore", "the user sees  Noted: 123-45-6789.", "reservation  applied"):
        assert part in done.stdout
    again = hauberk("complete", "--data", str(up.folder), handle, "--json", "-", stdin="Noted: <US_SSN>.")
    found = json.loads(again.stdout)
    assert found["text"] == "Noted: 123-45-6789." and found["restored"] == 1
    assert found["settlement"] == "SETTLEMENT_ALREADY"


def test_complete_as_a_stream_prints_the_answer_as_it_comes(up: Up) -> None:
    answer = "Your card <CREDIT_CARD> is on file. " * 20
    handle = admission(up, "--user", "sven")
    done = hauberk("complete", "--data", str(up.folder), handle, "--stream", "-", stdin=answer)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(answer.replace("<CREDIT_CARD>", "4532-1234-5678-9010"))
    assert "the user sees" not in done.stdout and "restore" in done.stdout
    handle = admission(up, "--user", "sven")
    found = json.loads(hauberk("complete", "--data", str(up.folder), handle, "--stream", "--json", answer).stdout)
    assert found["text"] == answer.replace("<CREDIT_CARD>", "4532-1234-5678-9010")
    assert found["outcome"] == "OUTCOME_ALLOW"


def test_sessions_are_listed_and_ended(up: Up) -> None:
    async def opened() -> str:
        connection = Connection(up.folder)
        try:
            own = await Administrator(connection).metadata()
            stub = AuthServiceStub(connection.channel("auth"))
            return str((await stub.CreateSession(CreateSessionRequest(), timeout=10, metadata=own)).session_id)
        finally:
            await connection.close()

    made = asyncio.run(opened())
    assert made in hauberk("sessions", "list", "--data", str(up.folder)).stdout
    ended = hauberk("sessions", "revoke", made, "--data", str(up.folder))
    assert (ended.returncode, ended.stdout) == (0, "revoked\n")
    found = json.loads(hauberk("sessions", "list", "ada", "--json", "--data", str(up.folder)).stdout)
    assert made not in {one["session_id"] for one in found["sessions"]}
    unknown = hauberk("sessions", "revoke", "ses_" + "0" * 22, "--data", str(up.folder))
    assert unknown.returncode == 2 and len(unknown.stderr.splitlines()) == 1


def test_an_unknown_admission_is_refused_and_a_malformed_one_cannot_be_decided(up: Up) -> None:
    unknown = hauberk("complete", "--data", str(up.folder), "adm_" + "A" * 43, "hello", "--json")
    assert unknown.returncode == 1
    found = json.loads(unknown.stdout)
    assert (found["reason"], found["text"]) == ("REASON_ADMISSION_NOT_ACCEPTED", "")
    assert found["degraded"] is False
    for command in (["complete", "adm_short", "hello"], ["tool", "adm_short", "brand.report", "{}"]):
        done = hauberk(command[0], "--data", str(up.folder), "--json", *command[1:])
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["fields"][0]["field"] == "admission"


def test_a_tool_that_nobody_registered_is_refused_in_words(up: Up) -> None:
    done = hauberk("tool", "--data", str(up.folder), admission(up, "--user", "tess"), "no.such.tool", "{}", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["reason"] == "REASON_NOT_PERMITTED"
    assert found["degraded"] is False
    assert found["repair"] and found["arguments_json"] == ""


async def _register(up: Up) -> None:
    connection = Connection(up.folder)
    try:
        await Administrator(connection).put_tool(TOOL)
    finally:
        await connection.close()


def test_a_registered_tool_may_be_called_and_a_wrong_call_is_told_why(up: Up) -> None:
    asyncio.run(_register(up))
    handle = admission(up, "--user", "tess")
    right = '{"brand": "acme-chat", "days": 7}'
    done = hauberk("tool", "--data", str(up.folder), handle, TOOL.tool, right, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert hashlib.sha256(found["arguments_json"].encode()).hexdigest() == found["arguments_sha256"]
    wrong = hauberk("tool", "--data", str(up.folder), handle, TOOL.tool, '{"brand": "acme-chat", "days": "x"}')
    assert wrong.returncode == 1
    assert "denied by tool" in wrong.stdout and "the model is told  /days" in wrong.stdout


def test_the_trail_of_all_this_is_intact(up: Up) -> None:
    done = hauberk("audit", "verify", "--data", str(up.folder), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["intact"] is True and found["verified"] > 5


def test_a_key_is_made_replaced_and_ended(up: Up, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*args: str, status: int = 0) -> tuple[str, str]:
        assert main(["api-keys", *args, "--data", str(up.folder)]) == status
        return capsys.readouterr()

    key, said = run("create", "--name", "ci", "--days", "90", "--from", "192.0.2.0/24", "--limit", "requests:100:60")
    assert key.startswith("hbk_test_") and key.count("\n") == 1, said
    key_id = said.split()[0]
    successor, _ = run("rotate", key_id, "--grace", "0")
    assert successor.startswith("hbk_test_") and successor != key
    listed = {each["key_id"]: each for each in json.loads(run("list", "--json")[0])["keys"]}
    new = listed[listed[key_id]["rotated_to"]]
    assert (new["allowed_addresses"], new["limits"][0]["amount"]) == (["192.0.2.0/24"], "100")
    assert key.strip() not in str(listed)
    assert "done" in run("revoke", new["key_id"])[0]
    assert "active" in run("peppers")[0]
    assert "nobody" in run("use", new["key_id"])[0]
    run("use", "key_" + "9" * 22, status=2)


def test_revocations_shows_who_follows(up: Up) -> None:
    done = hauberk("revocations", "--data", str(up.folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["processes"] and all(process["following"] for process in found["processes"])
    shown = hauberk("revocations", "--data", str(up.folder))
    assert "memory" in shown.stdout and "asking auth" not in shown.stdout


def test_a_folder_in_use_is_said_plainly(up: Up) -> None:
    done = hauberk("up", "--data", str(up.folder), "--port", "0")
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_replay_sums_up_and_counts_bad_lines(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    rows = [json.dumps({"text": f"mail user{n}@example.com"}) for n in range(40)]
    file.write_text("\n".join([*rows[:5], "not json", *rows[5:]]))
    done = hauberk("replay", "--data", str(up.folder), str(file), "--users", "8", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["requests"] == 40 and found["users"] == 8 and found["bad_lines"] == 1
    assert found["outcomes"] == {"ALLOW": 40}
    assert found["entities"] == {"EMAIL_ADDRESS": 40}
    assert found["completions"] == {"ALLOW": 40} and found["restored_values"] == 80
    assert found["undecided"] == 0
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert "line 6: is not JSON" in done.stderr


def test_one_user_is_throttled_by_the_rate_limiter(up: Up, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text("\n".join(json.dumps({"body": f"number {n}"}) for n in range(24)))
    done = hauberk(
        "replay", "--data", str(up.folder), str(file), "--users", "1", "--field", "body", "--no-complete", "--json"
    )
    found = json.loads(done.stdout)
    # The user of the test before may have sent 5 of the 15 already.
    assert found["outcomes"]["THROTTLE"] >= 9
    assert found["refused_by"][0]["layer"] == "ratelimit"
    assert found["errors"] == {} and found["completions"] == {}
    assert done.returncode == 0  # a refusal is a decision


def test_up_stops_cleanly_and_shows_the_first_key_once(up: Up) -> None:
    status, out, err = up.stop(signal.SIGINT)
    assert status == 0, err
    assert "hbk_test_" in out and "Keys lie beside the data" in out
    assert err.splitlines()[-1] == "stopped"
    assert read_running(up.folder) is None
    again = Up(up.folder)
    status, out, _ = again.stop()
    assert status == 0
    assert "hbk_test_" not in out
    assert not (up.folder / "stack.json").exists()


async def test_prepare_makes_a_database_and_a_second_run_keeps_it() -> None:
    base = make_folder()
    async with servers(base) as (_, _, postgres, _):
        args = ("prepare", "--folder", str(base / "prepared"), "--database-admin-url", postgres.admin_dsn)
        first = hauberk(*args)
        assert first.returncode == 0, first.stderr
        assert "migrations kit/0001" in first.stdout
        second = hauberk(*args)
        assert second.returncode == 0, second.stderr
        assert "made" not in second.stdout
    shutil.rmtree(base, ignore_errors=True)
