"""`hauberk policy`: exit statuses, reports, and that the shipped cases hold."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cli.main import main

SHIPPED = Path(__file__).resolve().parents[3] / "policies" / "tenancy" / "tests"
CASES = [str(file) for file in sorted(SHIPPED.glob("*.yaml"))]
CASE = """
organisation: acme
cases:
  - name: wrong on purpose
    principal: {user: vic, roles: [viewer]}
    action: chat.send
    resource: {type: Brand, id: shop}
    expect: %s
    policies: %s
"""


def test_the_shipped_cases_hold(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert main(["policy", "test", *CASES, "--junit", str(report)]) == 0
    suites = ET.parse(report).getroot()
    assert {suite.get("name") for suite in suites} == {"defaults", "example"}
    assert sum(int(suite.get("tests", 0)) for suite in suites) > 10
    assert not list(suites.iter("failure"))


@pytest.mark.parametrize(("expect", "policies"), [("allow", "[]"), ("deny", "[role.viewer]")])
def test_a_wrong_case_fails(tmp_path: Path, expect: str, policies: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, report = tmp_path / "case.yaml", tmp_path / "report.xml"
    file.write_text(CASE % (expect, policies))
    assert main(["policy", "test", str(file), "--junit", str(report), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == 1
    assert len(list(ET.parse(report).getroot().iter("failure"))) == 1


@pytest.mark.parametrize(
    "text",
    ["", "[", "organisation: acme", CASE % ("maybe", "[]"), (CASE % ("deny", "[]")) + "    typo: 1\n"],
)
def test_a_file_that_is_none_is_said_in_one_line(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(text)
    assert main(["policy", "test", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["policy", "test", str(tmp_path / "none.yaml")]) == 2
    assert main(["policy", "test"]) == 2


def test_no_case_left_is_no_success() -> None:
    assert main(["policy", "test", *CASES, "--case", "no such name"]) == 1


def test_explain_says_what_met_and_what_decided(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "explain", *CASES, "--case", "stale", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["allowed"], shown["reason"], shown["decided_by"]) == (False, "step_up_required", ["refunds.fresh"])
    met = {entry["policy"]: entry["holds"] for entry in shown["met"]}
    assert (met["refunds.fresh"], met["refunds.helpdesk"], met["isolation.brand"]) == (True, True, False)
    assert main(["policy", "explain", *CASES]) == 0
    assert "no policy is about this question" in capsys.readouterr().out


def test_validate_names_the_policy_and_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SHIPPED / "example.cedar")
    assert main(["policy", "validate", file, "--organisation", "acme"]) == 0
    assert main(["policy", "validate", file, "--organisation", "globex"]) == 1
    assert "wrong  refunds.helpdesk: an id of User" in capsys.readouterr().out
    assert main(["policy", "validate", file, "--organisation", "globex", "--json"]) == 1
    assert main(["policy", "validate", file]) == 2
