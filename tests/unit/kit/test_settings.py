"""Settings: unknown keys stop the start, the wrong key is named, secrets never print."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from services.kit.settings import ServiceSettings, SettingsError

SECRET = "postgresql://hauberk_auth:hunter2@db/hauberk"


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ServiceSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return ServiceSettings.load()


def failure(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What a failed start prints, the whole traceback included."""
    with pytest.raises(SettingsError) as caught:
        load(monkeypatch, **variables)
    return str(caught.value) + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["HAUBERK_LISTENN", "HAUBERK_DATABASE", "hauberk_redis_urls", "HAUBERK_PEERZ__AUTH"])
def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said = failure(monkeypatch, **{name: "hunter2"})
    assert name in said
    assert "hunter2" not in said


def test_an_unknown_key_of_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "auth.yaml"
    file.write_text("listen: 127.0.0.1:1\nlog_levle: hunter2\n")
    said = failure(monkeypatch, HAUBERK_CONFIG=str(file))
    assert "log_levle" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("HAUBERK_TRACE_RATIO", "trace_ratio"),
        ("HAUBERK_LOG_LEVEL", "log_level"),
        ("HAUBERK_ENVIRONMENT", "environment"),
        ("HAUBERK_TRUST_DOMAIN", "trust_domain"),
        ("HAUBERK_DRAIN", "drain"),
        ("HAUBERK_PEERS", "peers"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, key: str) -> None:
    said = failure(monkeypatch, **{name: "hunter2 !"})
    assert key in said
    assert "hunter2" not in said


@pytest.mark.parametrize("text", ["- a list", "hunter2: [", "just hunter2"])
def test_a_file_that_is_no_mapping_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    file = tmp_path / "auth.yaml"
    file.write_text(text)
    said = failure(monkeypatch, HAUBERK_CONFIG=str(file))
    assert "auth.yaml" in said
    assert "hunter2" not in said


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "absent.yaml" in failure(monkeypatch, HAUBERK_CONFIG=str(tmp_path / "absent.yaml"))


def test_a_variable_overrides_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "auth.yaml"
    file.write_text("listen: 127.0.0.1:1\ndrain: 7\npeers: {auth: 'a:1', tenancy: 't:1'}\n")
    settings = load(monkeypatch, HAUBERK_CONFIG=str(file), HAUBERK_LISTEN="127.0.0.1:2", HAUBERK_PEERS__TENANCY="t:2")
    assert (settings.listen, settings.drain) == ("127.0.0.1:2", 7)
    assert settings.peers == {"auth": "a:1", "tenancy": "t:2"}


def test_secrets_never_print(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, HAUBERK_DATABASE_URL=SECRET, HAUBERK_REDIS_URL="redis://:hunter2@r")
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in text
    assert settings.database_url.get_secret_value() == SECRET


def test_settings_cannot_be_changed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import ValidationError

    settings = load(monkeypatch)
    with pytest.raises(ValidationError):
        settings.trust_domain = "elsewhere"
