"""The policy document of auth: the promised numbers, and how strictly everything else is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.auth.adapters.policy_file import load_policy
from services.auth.policy.document import PolicyError, parse_policy
from services.auth.settings import DEFAULT_POLICY

DOCUMENT = yaml.safe_load(DEFAULT_POLICY.read_text())


def changed(path: str, value: Any) -> Any:
    """The default document with one value changed; the path is dotted."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split(".")
    target = document
    for part in parents:
        target = target[part]
    target[last] = value
    return document


@pytest.mark.parametrize(
    ("plan", "most"), [("free", 5), ("pro", 20), ("enterprise", 50), ("unheard-of", 5), ("", 5), ("FREE", 5)]
)
def test_a_day_half_an_hour_and_so_many(plan: str, most: int) -> None:
    limits = parse_policy(DOCUMENT).session_limits(plan)
    assert (limits.life_seconds, limits.idle_seconds, limits.most_live) == (86_400, 1800, most)
    assert not limits.outlive_token


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("sessions.lifetime", 60, "sessions.lifetime"),
        ("session", {}, "session"),
        ("sessions.life_seconds", 59, "sessions.life_seconds"),
        ("sessions.life_seconds", 30 * 86_400 + 1, "sessions.life_seconds"),
        ("sessions.life_seconds", "86400", "sessions.life_seconds"),
        ("sessions.life_seconds", True, "sessions.life_seconds"),
        ("sessions.life_seconds", 3600.5, "sessions.life_seconds"),
        ("sessions.life_seconds", {"free": 3600}, "sessions.life_seconds"),
        ("sessions.life_seconds", {"free": 3600, "pro": 3600, "enterprise": 3600, "gold": 3600}, "sessions.life"),
        ("sessions.idle_seconds", 0, "sessions.idle_seconds"),
        ("sessions.idle_seconds", 86_401, "sessions.idle_seconds"),
        ("sessions.idle_seconds", None, "sessions.idle_seconds"),
        ("sessions.most_live", 0, "sessions.most_live"),
        ("sessions.most_live", 1001, "sessions.most_live"),
        ("sessions.outlive_token", "yes", "sessions.outlive_token"),
        ("default_plan", "gold", "default_plan"),
        ("plans", [], "plans"),
        ("version", "", "version"),
        ("version", 1, "version"),
    ],
)
def test_whatever_is_wrong_is_named(path: str, value: Any, names: str) -> None:
    with pytest.raises(PolicyError, match=names):
        parse_policy(changed(path, value))


@pytest.mark.parametrize("document", [None, [], "sessions", 3, {}])
def test_what_is_no_document_is_none(document: Any) -> None:
    with pytest.raises(PolicyError):
        parse_policy(document)


def test_the_fingerprint_tells_every_two_policies_apart() -> None:
    same = parse_policy(DOCUMENT).fingerprint()
    assert parse_policy(copy.deepcopy(DOCUMENT)).fingerprint() == same
    others = [("version", "2"), ("sessions.idle_seconds", 1801), ("sessions.outlive_token", True), ("plans", ["free"])]
    found = {same}
    for path, value in others:
        document = changed(path, value)
        if path == "plans":
            document["sessions"]["most_live"] = 5
        found.add(parse_policy(document).fingerprint())
    assert len(found) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('version: "1"\nversion: "2"\n', "stands twice"),
        ("sessions: [", "is not YAML"),
        ("!!python/object:os.system {}", "is not YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_by_name(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "auth.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PolicyError, match=says):
        load_policy(file)
