"""The words for a refusal: by language, by brand, with the time."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hauberk.common.v1 import decision_pb2 as decision

from gateway.replies import Listener, Replies, load
from gateway.settings import DEFAULT_POLICY
from services.kit.settings import SettingsError


@pytest.fixture
def shipped() -> Replies:
    return load(DEFAULT_POLICY)


@pytest.mark.parametrize(
    ("locale", "seconds", "says"),
    [
        ("", 1, "again in 1 second."),
        ("en-GB", 59.2, "again in 60 seconds."),
        ("en", 61, "again in 2 minutes."),
        ("de-AT", 7_201, "in 3 Stunden wieder."),
        ("fr", 86_401, "dans 2 jours."),
        ("xx", 30, "again in 30 seconds."),
    ],
)
def test_the_time_is_said_in_the_users_language(shipped: Replies, locale: str, seconds: float, says: str) -> None:
    reply = shipped.reply(decision.REASON_RATE_LIMITED, seconds, Listener(locale=locale))

    assert says in reply.text


def test_every_reason_has_words_and_none_tells_of_the_guard(shipped: Replies) -> None:
    for language in ("en", "de", "fr"):
        for reason in decision.Reason.values():
            text = shipped.reply(reason, 0.0, Listener(locale=language)).text
            assert text
            assert not {"{", "injection", "canary", "policy", "guard"} & set(text.lower().split())


def test_a_brand_speaks_its_own_words_to_its_own_users_only(tmp_path: Path) -> None:
    data = yaml.safe_load(DEFAULT_POLICY.read_text())
    data["brands"] = [{"organisation": "acme", "brand": "chat", "replies": {"en": {"injection": "Only about Acme."}}}]
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(data))
    replies = load(path)

    own = replies.reply(decision.REASON_INJECTION, 0.0, Listener("acme", "chat"))
    foreign = replies.reply(decision.REASON_INJECTION, 0.0, Listener("globex", "chat"))
    other_language = replies.reply(decision.REASON_INJECTION, 0.0, Listener("acme", "chat", "de"))

    assert own.text == "Only about Acme."
    assert "Acme" not in foreign.text + other_language.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["replies"]["en"].update(no_such_reason="x"), "no_such_reason"),
        (lambda d: d["replies"]["de"].pop("default"), "replies.de"),
        (lambda d: d["replies"]["en"].update(injection=""), "injection"),
        (lambda d: d["replies"]["fr"]["units"].pop("hour"), "units"),
        (lambda d: d["replies"].pop("en"), "replies.en"),
        (lambda d: d.pop("replies"), "cannot be used"),
    ],
)
def test_a_file_that_is_wrong_is_a_start_up_error(tmp_path: Path, change: object, says: str) -> None:
    data = yaml.safe_load(DEFAULT_POLICY.read_text())
    change(data)  # type: ignore[operator]
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(data))

    with pytest.raises(SettingsError, match=says):
        load(path)
