"""What makes a control evidenced, incomplete or a gap; and that the controls name only what there is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.commands.evidence import CONTROLS, controls_of
from cli.evidence.model import Assessed, Control, ControlsError, Found, Framework, assess, parse
from cli.evidence.report import markdown, report
from cli.evidence.system import PROBES
from cli.housekeeping import policy_of
from cli.places import DEFAULT_POLICY

ROOT = Path(__file__).resolve().parents[3]
HOLDS, FAILS, NOT_RUN = Found("holds", "so"), Found("fails", "not so"), Found("not run", "no way there")


def control(**more: Any) -> Control:
    base = {
        "id": "X1",
        "framework": "own",
        "about": "a",
        "enforced_by": "b",
        "probes": ["one", "two"],
        "events": ["e"],
        "tests": ["t.py"],
        "gaps": ["people do that"],
    }
    return Control.model_validate({**base, **more})


def state(one: Found, two: Found, there: bool | None) -> Assessed:
    return assess(control(), {"one": one, "two": two}, {"e": 1}, {"t.py": there})


def test_only_what_was_seen_to_hold_is_evidence() -> None:
    assert state(HOLDS, HOLDS, True).status == "evidenced"
    for one, two, there, expected in [
        (FAILS, HOLDS, True, "gap"),
        (HOLDS, FAILS, True, "gap"),
        (FAILS, NOT_RUN, None, "gap"),
        (HOLDS, HOLDS, False, "gap"),
        (NOT_RUN, HOLDS, True, "incomplete"),
        (HOLDS, NOT_RUN, True, "incomplete"),
        (HOLDS, HOLDS, None, "incomplete"),
        (Found("fine", "?"), HOLDS, True, "incomplete"),
    ]:
        assert state(one, two, there).status == expected, (one, two, there)
    assert assess(control(), {"one": HOLDS}, {}, {"t.py": True}).status == "incomplete", "a probe that did not run"
    assert state(FAILS, HOLDS, True).gaps == ["one: not so", "people do that"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probes": ["no_such_probe"]}, "there is no no_such_probe"),
        ({"probes": []}, "at least 1"),
        ({"tests": []}, "at least 1"),
        ({"events": ["auth.nonsense"]}, "there is no auth.nonsense"),
        ({"framework": "iso"}, "there is no iso"),
        ({"weight": 3}, "weight"),
    ],
)
def test_controls_that_name_what_is_not_there_are_refused(change: dict[str, Any], said: str) -> None:
    data = yaml.safe_load(CONTROLS.read_bytes())
    data["controls"][0] = {**data["controls"][0], **change}
    codes = frozenset(code for each in data["controls"][1:] for code in each["events"])
    codes |= set(yaml.safe_load(CONTROLS.read_bytes())["controls"][0]["events"])
    with pytest.raises(ControlsError, match=said):
        parse(data, frozenset(PROBES), codes)


def test_the_controls_that_were_asked_for_are_there_and_every_test_is_in_the_tree() -> None:
    found = controls_of(CONTROLS)
    ids = {(each.framework, each.id) for each in found.controls}
    assert {("soc2", name) for name in ("CC6.1", "CC6.6", "CC6.7", "CC7.2")} <= ids
    assert {("hipaa", f"164.{n}") for n in ("308(a)(3)", "308(a)(4)", "312(a)(1)", "312(e)(1)")} <= ids
    assert [path for each in found.controls for path in each.tests if not (ROOT / path).is_file()] == []
    assert {name for each in found.controls for name in each.probes} == set(PROBES), "a probe that nobody asks"


def test_the_report_says_the_same_in_both_forms_and_its_digest_covers_it() -> None:
    assessed = [state(FAILS, HOLDS, True), state(HOLDS, HOLDS, None)]
    at = datetime(2026, 1, 2, tzinfo=UTC)
    body = report(Framework(title="Own"), "own", assessed, at)
    assert (body["coverage"]["gap"], body["coverage"]["incomplete"], body["coverage"]["evidenced"]) == (1, 1, 0)
    text = markdown(body)
    for words in ("people do that", "one: not so", "no source tree here", body["sha256"], "no certificate"):
        assert words in text
    other = report(Framework(title="Own"), "own", [state(HOLDS, HOLDS, True), assessed[1]], at)
    assert other["sha256"] != body["sha256"]


def test_the_alert_rings_when_the_policy_says_and_by_the_gauges_that_are_written() -> None:
    from cli.commands.retention import METRICS

    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "retention.yaml").read_bytes())["groups"][0]["rules"]
    missed, problems = (rule["expr"] for rule in rules)
    assert f"> {policy_of(DEFAULT_POLICY).missed_after:.0f} or absent" in missed
    for expression, gauge in (
        (missed, "hauberk_retention_last_success_timestamp_seconds"),
        (problems, "hauberk_retention_problems"),
    ):
        assert gauge in expression
        assert f"\n{gauge} " in METRICS
    assert all(rule["labels"]["severity"] and rule["annotations"]["summary"] for rule in rules)
