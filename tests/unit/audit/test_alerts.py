"""The alerts of Prometheus mirror the rules."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from services.audit.catalogue import catalogue
from services.audit.policy.response import ResponsePolicy, parse_policy
from services.audit.settings import RESPONSE_POLICY
from services.kit.documents import read_document
from tools.alerts import FILE, written


@pytest.fixture
def policy() -> ResponsePolicy:
    return parse_policy(read_document(RESPONSE_POLICY), catalogue())


def test_the_file_is_what_the_policy_says(policy: ResponsePolicy) -> None:
    assert FILE.read_text(encoding="utf-8") == written(policy)


def test_every_rule_has_one_alert_that_prometheus_would_take(policy: ResponsePolicy) -> None:
    promtool = shutil.which("promtool")
    if promtool:
        subprocess.run([promtool, "check", "rules", str(FILE)], check=True, capture_output=True)
    groups = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"]]
    names = [alert["alert"] for alert in alerts]
    assert len(set(names)) == len(names)
    assert [alert["labels"]["rule"] for alert in groups[0]["rules"]] == [rule.id for rule in policy.rules]
    for alert in alerts:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Z][A-Za-z]+", alert["alert"])
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["expr"].count("(") == alert["expr"].count(")")
        assert alert["expr"].count("[") == alert["expr"].count("]")
        assert "hauberk_" in alert["expr"]


def test_another_threshold_is_another_file(policy: ResponsePolicy) -> None:
    first = policy.rules[0].model_copy(update={"over": 7.0})
    other = policy.model_copy(update={"rules": [first, *policy.rules[1:]]})
    assert written(other) != written(policy)
