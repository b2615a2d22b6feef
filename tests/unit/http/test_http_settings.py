"""Whose address a request has, and which brand a host stands for."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from gateway.http.settings import BrandAt, EdgeSettings
from gateway.http.web import of_error
from services.kit.errors import INTERNAL, Exhausted, InvalidArgument, KitError, NotFound, Unavailable


def edge(**more: Any) -> EdgeSettings:
    return EdgeSettings.model_validate(more)


PROXIED = edge(trusted_proxies=("10.0.0.0/8", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8::1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("198.51.100.1", "10.0.0.1", "198.51.100.1"),
    ],
)
def test_only_our_proxies_say_whom_they_speak_for(peer: str, forwarded: str, expected: str) -> None:
    assert PROXIED.client_address(peer, forwarded) == expected


def test_without_proxies_nobody_is_believed() -> None:
    assert edge().client_address("127.0.0.1", "203.0.113.9") == "127.0.0.1"


def test_a_host_stands_for_one_brand_of_one_organisation() -> None:
    found = edge(hosts={"chat.acme.example": "acme/chat"})
    assert found.brand_of("chat.acme.example") == BrandAt("acme", "chat")
    for host in ("", "acme.example", "x.chat.acme.example", "chat.acme.example.evil"):
        assert found.brand_of(host) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": {"chat.acme.example": "chat"}},
        {"hosts": {"*": "acme/chat"}},
        {"public_url": "http://edge.example"},
        {"public_url": "https://edge.example/path"},
        {"trusted_proxies": ["everybody"]},
        {"body_limit": 1 << 30},
        {"authzen_actions": {"read": "Read It"}},
    ],
)
def test_settings_that_open_too_much_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        edge(**wrong)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidArgument.of("brand.display_name", "short"), 400),
        (NotFound("brand"), 404),
        (Unavailable("redis"), 503),
        (Exhausted(), 429),
        (INTERNAL, 500),
        (KitError(grpc.StatusCode.DATA_LOSS, "X", "x"), 500),
        (KitError(grpc.StatusCode.UNKNOWN, "X", "x"), 500),
        (KitError(grpc.StatusCode.UNAUTHENTICATED, "X", "x"), 401),
    ],
)
def test_every_error_is_a_problem_and_never_an_answer(error: KitError, status: int) -> None:
    said = of_error(error)
    assert said.status == status
    assert said.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in said.headers) == (error.retry_after is not None)
    if error.violations:
        assert '"brand.displayName"' in said.body
