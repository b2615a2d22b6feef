"""Settings of auth that the process must not start with, and small translations."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.auth import messages
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.identity import Circumstances, network_of
from services.auth.settings import AuthSettings, IssuerSettings
from services.kit.errors import InvalidArgument
from services.kit.settings import SettingsError

GOOD: dict[str, Any] = {
    "name": "acme-login",
    "issuer": "https://login.acme.test",
    "audience": "hauberk",
    "organisations": ["acme"],
    "jwks_url": "https://login.acme.test/keys",
}


def issuer(**changes: Any) -> IssuerSettings:
    return IssuerSettings.model_validate({**GOOD, **changes})


def auth(**values: Any) -> AuthSettings:
    return AuthSettings.model_validate(values)


def test_a_plain_issuer() -> None:
    rules = issuer().rules()
    assert (rules.organisations, rules.leeway) == (("acme",), 30.0)


@pytest.mark.parametrize(
    "change",
    [
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": ["RS256", "ES256"]},
        {"algorithms": ["RS256", "PS256"]},
        {"algorithms": []},
        {"organisations": []},
        {"organisations": ["acme", "globex"]},
        {"organisations": ["Acme"]},
        {"types": ["txntoken+jwt"]},
        {"types": ["CTX+JWT"]},
        {"types": []},
        {"scopes": ["settle"]},
        {"scopes": ["restore.all"]},
        {"jwks_url": ""},
        {"jwks_file": "/keys.json"},
        {"jwks_url": "http://login.acme.test/keys"},
        {"jwks_url": "http://127.0.0.1/keys"},
        {"jwks_url": "http://login.acme.test/keys", "allow_loopback": True},
        {"jwks_url": "http://localhost.evil.test/keys", "allow_loopback": True},
        {"jwks_url": "https://user:secret@login.acme.test/keys"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "https:///keys"},
        {"max_lifetime": 0},
        {"max_lifetime": 1e9},
        {"issuer": ""},
        {"audience": ""},
        {"leeway": 3600},
        {"allow_networks": ["0.0.0.0/0"]},
        {"allow_networks": ["::/0"]},
        {"allow_networks": ["127.0.0.0/8"]},
        {"allow_networks": ["::1/128"]},
        {"allow_networks": ["169.254.169.254/32"]},
        {"allow_networks": ["10.0.0.1/8"]},
        {"allow_networks": ["inside"]},
        {"required_acr": [""]},
        {"required_amr": ["two words"]},
        {"max_auth_age": -1},
    ],
    ids=str,
)
def test_an_issuer_that_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        issuer(**change)


def test_what_an_issuer_may_demand_and_where_it_may_live() -> None:
    demands = {"require_jti": True, "required_acr": ["gold"], "required_amr": ["otp"], "max_auth_age": 300}
    made = issuer(allow_networks=["10.1.0.0/16", "fd00:1::/32"], **demands)
    rules = made.rules()
    assert (set(rules.required_acr), set(rules.required_amr)) == ({"gold"}, {"otp"})
    assert rules.require_jti
    assert rules.max_auth_age == 300
    assert [str(network) for network in made.allow_networks] == ["10.1.0.0/16", "fd00:1::/32"]


@pytest.mark.parametrize(
    "environ",
    [
        {"HAUBERK_TOKEN_SECONDS": "61"},
        {"HAUBERK_MEMORY_SECONDS": "60"},
        {"HAUBERK_JWT_MEMORY_SECONDS": "61"},
        {"HAUBERK_API_KEY_PREFIX": "HBK_"},
        {"HAUBERK_API_KEY_ENVIRONMENT": "prod"},
        {"HAUBERK_ISSUER": "[]"},
    ],
    ids=str,
)
def test_settings_that_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        AuthSettings.load(environ)


def test_production_takes_no_loopback_issuer_and_makes_live_keys() -> None:
    loopback = {"jwks_url": "http://127.0.0.1/keys", "allow_loopback": True}
    assert auth(issuers=(issuer(**loopback),)).key_environment == "test"
    with pytest.raises(ValidationError):
        auth(environment="production", issuers=(issuer(**loopback),))
    assert auth(environment="production").key_environment == "live"


def test_two_issuers_are_two() -> None:
    with pytest.raises(ValidationError):
        auth(issuers=(issuer(), issuer(name="other")))


def test_secrets_do_not_print() -> None:
    assert "hidden" not in repr(auth(database_url=SecretStr("hidden")))


@pytest.mark.parametrize("token", ["x", "_", "a-b", "MQ", "MS5rZXlf", "LTEua2V5XzAwMDAwMDAwMDAwMDAwMDA", "4pyT"])
def test_a_page_token_of_somebody_else_is_named(token: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        messages.cursor_of(token)
    assert error.value.violations[0].field == "page_token"


def test_page_tokens_come_back_exactly() -> None:
    record = KeyRecord("key_" + "0" * 22, "acme", "ada", "", frozenset(), "wxyz", 1_800_000_000.123457)
    assert messages.cursor_of(messages.page_token(record)) == (1_800_000_000.123457, record.key_id)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("nowhere", ""),
        ("", ""),
    ],
)
def test_an_address_becomes_a_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_circumstances_show_nobody() -> None:
    claims = Circumstances("203.0.113.77", "https://shop.acme.test", "Mozilla/5.0 (Ada)", "turnstile").claims()
    assert set(claims) == {"net", "origin", "agent", "challenge"}
    assert "Ada" not in str(claims)
    assert ".77" not in str(claims)
    assert Circumstances().claims() == {}
