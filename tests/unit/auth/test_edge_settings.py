"""What the process does not start with."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.auth.settings import AuthSettings

WIDGET = {"site_key": "0x4AAAAAAAsite", "secret": "0x4AAAAAAAsecret", "hostnames": ["app.example.com"]}


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_live_widget(environment: str) -> None:
    made = AuthSettings.model_validate({"environment": environment, "challenge_widget": WIDGET})
    assert made.challenge_widget is not None
    assert "secret" not in repr(made.challenge_widget.secret)


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "1x0000000000000000000000000000000AA"},
        {"secret": "2x0000000000000000000000000000000AA"},
        {"secret": "3x0000000000000000000000000000000AA"},
        {"site_key": "1x00000000000000000000AA"},
        {"site_key": "3x00000000000000000000FF"},
        {"hostnames": []},
    ],
    ids=str,
)
def test_what_is_for_testing_does_not_start_in_production(changed: dict[str, Any]) -> None:
    settings = {"challenge_widget": WIDGET | changed}
    assert AuthSettings.model_validate(settings).challenge_widget is not None
    with pytest.raises(ValidationError) as caught:
        AuthSettings.model_validate(settings | {"environment": "production"})
    assert "production" in str(caught.value.errors(include_input=False)[0]["msg"])


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("production", "http://127.0.0.1:8080/siteverify"),
        ("development", "http://example.com/siteverify"),
        ("development", "ftp://127.0.0.1/x"),
        ("production", "https://user:word@example.com/"),
        ("production", ""),
    ],
)
@pytest.mark.parametrize("name", ["turnstile_url", "hcaptcha_url"])
def test_a_secret_goes_nowhere_unprotected(name: str, environment: str, url: str) -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"environment": environment, name: url})


@pytest.mark.parametrize("changed", [{"hostnames": ["*.example.com"]}, {"on_outage": "allow"}, {"secret": "short"}])
def test_a_widget_that_cannot_be(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"challenge_widget": WIDGET | changed})
