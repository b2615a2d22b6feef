"""Origins and headers: what is listed is answered in its own spelling, and nothing else is ever echoed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.auth.policy import origins
from services.auth.policy.challenges import Provider, Widget
from services.auth.policy.edge import EdgeError, EdgeRules, checked, from_document, to_document
from services.auth.policy.edge_headers import HeaderRules, Miss, Question, resolve

COMMON = HeaderRules(permissions=("camera", "geolocation"))
RULES = checked(
    EdgeRules(
        origins=frozenset({"https://App.Example.com:443", "https://shop.example.com:8443", "https://bücher.example"}),
        methods=("POST", "GET"),
        headers=("Content-Type", "x-request-id"),
        credentials=True,
        max_age=86_400,
        sources={"connect-src": ("wss://live.example.com",), "img-src": ("https://*.cdn.example.com", "data:")},
        report="https://reports.example.com/csp",
    ),
    production=True,
)
LISTED = {"https://app.example.com", "https://shop.example.com:8443", "https://xn--bcher-kva.example"}
TRICKS = [
    "null",
    "",
    "*",
    "https://",
    "https://app.example.com.evil.net",
    "https://evilapp.example.com",
    "https://app.example.com@evil.net",
    "https://evil.net/https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com?",
    "https://app.example.com#x",
    "https://app.example.com:444",
    "https://app.example.com:0443",
    "https://app.example.com:",
    "https://app.example.com:99999",
    "https://app.example.com.",
    "http://app.example.com",
    "https://shop.example.com",
    "https://sub.app.example.com",
    "https://app_example.com",
    "https://app.example.com\r\nX-Injected: 1",
    "https://app.example.com\n",
    " https://app.example.com",
    "https://app.example.com https://evil.net",
    "https://bücher.example",
    "https://аpp.example.com",
    "https://app。example。com",
    "HTTPS:\\\\app.example.com",
    "file://app.example.com",
    "chrome-extension://app.example.com",
]


def answered(origin: str, rules: EdgeRules | None = RULES, **more: Any) -> dict[str, str]:
    return dict(resolve(rules, Question(origin, **more), "n" * 24, COMMON).headers)


@pytest.mark.parametrize(
    ("written", "spelling"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://APP.example.COM:443", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example:8443", "https://xn--bcher-kva.example:8443"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("https://192.0.2.1:8443", "https://192.0.2.1:8443"),
    ],
)
def test_every_origin_has_one_spelling(written: str, spelling: str) -> None:
    assert origins.canonical(written) == spelling
    assert origins.canonical(spelling) == spelling


@pytest.mark.parametrize("origin", ["https://app.example.com", "https://APP.example.com:443"])
def test_a_listed_origin(origin: str) -> None:
    headers = answered(origin)
    assert headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert headers["Vary"] == "Origin"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Max-Age" not in headers


@pytest.mark.parametrize("origin", TRICKS)
def test_a_trick_is_a_miss(origin: str) -> None:
    assert answered(origin) == {"Vary": "Origin"}


def test_an_unknown_brand_and_an_unlisted_origin_are_one_answer() -> None:
    unknown = resolve(None, Question("https://app.example.com"), "n", COMMON)
    assert unknown == resolve(RULES, Question("https://evil.example"), "n", COMMON)
    assert unknown.miss is Miss.ORIGIN


@given(st.text(max_size=64))
@example("https://app.example.com\r\n")
def test_no_unlisted_origin_is_ever_echoed(origin: str) -> None:
    check_echo(origin)


HOSTS = st.sampled_from(
    ["app.example.com", "evil.net", "example.com", "shop.example.com", "null", "xn--bcher-kva.example"]
)
PARTS = st.sampled_from(
    ["https://", "http://", "//", ":443", ":8443", ".", "@", "/", "%2e", "\r\n", "\t", "null", "*", ":"]
)


@given(st.lists(st.one_of(HOSTS, PARTS), max_size=6).map("".join))
def test_no_origin_made_of_parts_of_listed_ones_is_ever_echoed(origin: str) -> None:
    check_echo(origin)


def check_echo(origin: str) -> None:
    asked: tuple[dict[str, Any], ...] = ({}, {"method": "POST", "headers": ("content-type",)})
    for more in asked:
        headers = answered(origin, **more)
        said = headers.get("Access-Control-Allow-Origin")
        assert said is None or (said in LISTED and origins.canonical(origin) == said)
        assert said is not None or not any(name.startswith("Access-Control") for name in headers)
        for name, value in headers.items():
            assert not re.search(r"[\r\n\0]", name + value)
            assert value.isascii()


def test_a_preflight() -> None:
    headers = answered("https://app.example.com", method="POST", headers=("Content-Type", "X-Request-Id", "Accept"))
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert headers["Access-Control-Allow-Headers"] == "content-type, x-request-id"
    assert headers["Access-Control-Max-Age"] == "7200"
    assert headers["Vary"].startswith("Origin, Access-Control-Request-")


@pytest.mark.parametrize("more", [{"method": "DELETE"}, {"headers": ("authorization",)}, {"method": "post"}])
def test_a_preflight_for_more_than_is_allowed(more: dict[str, Any]) -> None:
    assert answered("https://app.example.com", **more) == {"Vary": "Origin"}


def test_the_content_policy() -> None:
    headers = answered("https://app.example.com")
    policy = dict(part.partition(" ")[::2] for part in headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == f"'nonce-{'n' * 24}' 'strict-dynamic'"
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self' wss://live.example.com"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert policy["report-to"] == "csp"
    assert headers["Reporting-Endpoints"] == 'csp="https://reports.example.com/csp"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"].startswith("max-age=63072000")
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Permissions-Policy"] == "camera=(), geolocation=()"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("provider", list(Provider))
def test_a_widget_can_be_loaded(provider: Provider) -> None:
    rules = EdgeRules(origins=RULES.origins, widget=Widget(provider, "site-key-1"))
    headers = answered("https://app.example.com", rules)
    assert (
        f"frame-src https://{ {'turnstile': 'challenges.cloudflare.com', 'hcaptcha': 'hcaptcha.com'}[provider] }"
        in (headers["Content-Security-Policy"])
    )
    assert "Cross-Origin-Embedder-Policy" not in headers


REFUSED: list[dict[str, Any]] = [
    {"origins": frozenset({origin})}
    for origin in (
        "null",
        "*",
        "https://*.example.com",
        "https://a.example/x",
        "http://a.example",
        "ftp://a.example",
        "a.example",
        "https://a b",
    )
] + [
    {"methods": ("TRACE",)},
    {"methods": ("*",)},
    {"headers": ("*",)},
    {"headers": ("Cookie",)},
    {"headers": ("Sec-Fetch-Site",)},
    {"headers": ("x\r\ny",)},
    {"sources": {"default-src": ("'self'",)}},
    {"sources": {"script-src": ("'unsafe-inline'",)}},
    {"sources": {"script-src": ("'unsafe-eval'",)}},
    {"sources": {"script-src": ("*",)}},
    {"sources": {"script-src": ("https:",)}},
    {"sources": {"script-src": ("https://*.example.com",)}},
    {"sources": {"script-src": ("data:",)}},
    {"sources": {"style-src": ("'unsafe-inline'",)}},
    {"sources": {"img-src": ("*",)}},
    {"sources": {"img-src": ("https://*.com",)}},
    {"sources": {"img-src": ("https://a.example; script-src *",)}},
    {"sources": {"connect-src": ("https://a.example/path",)}},
    {"sources": {"frame-src": ("wss://a.example",)}},
    {"sources": {"frame-ancestors": ("https://*.example.com",)}},
    {"report": "http://a.example/x"},
    {"report": "https://a.example/x; script-src *"},
    {"report": 'https://a.example/"x'},
    {"widget": Widget(Provider.TURNSTILE, "short")},
    {"widget": Widget(Provider.TURNSTILE, "site-key-1", frozenset({"https://a.example"}))},
    {"widget": Widget(Provider.TURNSTILE, "site-key-1", frozenset({"*.a.example"}))},
    {"widget": Widget(Provider.TURNSTILE, "site-key-1", actions=frozenset({"a b"}))},
    {"widget": Widget(Provider.TURNSTILE, "site-key-1", environment="staging")},
]


@pytest.mark.parametrize("fields", REFUSED, ids=str)
def test_what_cannot_be_kept(fields: dict[str, Any]) -> None:
    with pytest.raises(EdgeError):
        checked(EdgeRules(**fields), production=False)


def test_http_on_this_machine_is_for_development() -> None:
    local = EdgeRules(origins=frozenset({"http://localhost:5173"}))
    assert checked(local, production=False).origins == {"http://localhost:5173"}
    with pytest.raises(EdgeError):
        checked(local, production=True)


def test_rules_survive_being_kept_and_altered_ones_do_not() -> None:
    rules = checked(EdgeRules(origins=RULES.origins, widget=Widget(Provider.HCAPTCHA, "site-key-1")), production=True)
    kept = to_document(rules)
    assert from_document(kept, production=True) == rules
    assert from_document(kept | {"origins": ["*"]}, production=True) is None
    assert from_document({}, production=True) is None
    assert from_document(kept | {"widget": {"provider": "mine"}}, production=True) is None
