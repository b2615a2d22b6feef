"""What a brand's pages may do in a browser: the rules of one brand, checked and brought into one spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from services.auth.policy import origins
from services.auth.policy.challenges import OnOutage, Provider, Widget

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What a brand may add to; scripts take hosts for old browsers only, new ones follow the nonce.
DIRECTIVES = (
    "script-src",
    "style-src",
    "img-src",
    "font-src",
    "connect-src",
    "frame-src",
    "media-src",
    "frame-ancestors",
)
_HEADER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SOURCE = re.compile(
    r"(?P<scheme>https|wss)://(?P<sub>\*\.)?(?P<host>[^\s/?#@:\\\[\]*%;,']{1,253})(?P<port>:[1-9][0-9]{0,4})?"
)
_SCHEMES = {"img-src": {"data:", "blob:"}, "media-src": {"data:", "blob:"}, "font-src": {"data:"}}
# Headers that a browser manages itself, or that would widen what a page can do, are never for a page to set.
_FORBIDDEN_HEADERS = frozenset({"cookie", "host", "origin", "referer", "connection", "txn-token"})


class EdgeError(ValueError):
    """A rule that is not kept; names the field and the rule, shows no value."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name}: {rule}")
        self.name, self.rule = name, rule


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """The rules of one brand; every text is in its canonical spelling."""

    origins: frozenset[str] = frozenset()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 0
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    report: str = ""
    widget: Widget | None = None


def checked(rules: EdgeRules, *, production: bool) -> EdgeRules:
    """The rules in their canonical spelling; raises EdgeError for the first that does not hold."""
    return EdgeRules(
        origins=frozenset(_origin(text, production) for text in rules.origins),
        methods=tuple(sorted({_method(text) for text in rules.methods})),
        headers=tuple(sorted({_header(text) for text in rules.headers})),
        credentials=rules.credentials,
        max_age=rules.max_age,
        sources={name: _sources(name, values) for name, values in sorted(rules.sources.items())},
        report=_report(rules.report),
        widget=None if rules.widget is None else _widget(rules.widget),
    )


def to_document(rules: EdgeRules) -> dict[str, Any]:
    """As it is kept."""
    widget = rules.widget
    return {
        "origins": sorted(rules.origins),
        "methods": list(rules.methods),
        "headers": list(rules.headers),
        "credentials": rules.credentials,
        "max_age": rules.max_age,
        "sources": {name: list(values) for name, values in rules.sources.items()},
        "report": rules.report,
        "widget": None
        if widget is None
        else {
            "provider": widget.provider.value,
            "site_key": widget.site_key,
            "hostnames": sorted(widget.hostnames),
            "actions": sorted(widget.actions),
            "environment": widget.environment,
            "on_outage": widget.on_outage.value,
        },
    }


def from_document(kept: Mapping[str, Any], *, production: bool) -> EdgeRules | None:
    """What `to_document` made, checked again: None when it is not what this version would keep."""
    try:
        widget = kept["widget"]
        return checked(
            EdgeRules(
                origins=frozenset(kept["origins"]),
                methods=tuple(kept["methods"]),
                headers=tuple(kept["headers"]),
                credentials=bool(kept["credentials"]),
                max_age=int(kept["max_age"]),
                sources={name: tuple(values) for name, values in kept["sources"].items()},
                report=kept["report"],
                widget=None if widget is None else _kept_widget(widget),
            ),
            production=production,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _kept_widget(kept: Mapping[str, Any]) -> Widget:
    return Widget(
        provider=Provider(kept["provider"]),
        site_key=kept["site_key"],
        hostnames=frozenset(kept["hostnames"]),
        actions=frozenset(kept["actions"]),
        environment=kept["environment"],
        on_outage=OnOutage(kept["on_outage"]),
    )


def _origin(text: str, production: bool) -> str:
    found = origins.canonical(text)
    if not found:
        raise EdgeError("origins", "scheme, host and port; no wildcard, no path, never null")
    if not origins.is_secure(found) or (production and not origins.is_https(found)):
        raise EdgeError("origins", "https (http on loopback only, and not in production)")
    return found


def _method(text: str) -> str:
    if text not in METHODS:
        raise EdgeError("methods", "one of " + ", ".join(METHODS))
    return text


def _header(text: str) -> str:
    name = text.lower()
    if (
        not _HEADER.fullmatch(name)
        or name in _FORBIDDEN_HEADERS
        or name.startswith(("sec-", "proxy-", "access-control-"))
    ):
        raise EdgeError("headers", "a header name that a page may set")
    return name


def _sources(directive: str, values: Iterable[str]) -> tuple[str, ...]:
    if directive not in DIRECTIVES:
        raise EdgeError("sources", "directive: one of " + ", ".join(DIRECTIVES))
    return tuple(sorted({_source(directive, value) for value in values}))


def _source(directive: str, text: str) -> str:
    if text in {"'self'", *_SCHEMES.get(directive, ())}:
        return text
    match = _SOURCE.fullmatch(text)
    host = origins.hostname(match["host"]) if match else ""
    if match is None or not host:
        raise EdgeError("sources", "'self' or https://host[:port]; no keyword that allows inline or any host")
    if match["sub"] and (directive in {"script-src", "frame-ancestors"} or "." not in host):
        raise EdgeError("sources", "no wildcard for scripts and ancestors, nor over a whole top-level domain")
    if match["scheme"] == "wss" and directive != "connect-src":
        raise EdgeError("sources", "wss for connect-src only")
    return f"{match['scheme']}://{match['sub'] or ''}{host}{match['port'] or ''}"


def _report(text: str) -> str:
    if not text:
        return ""
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    base = origins.canonical(f"{scheme}://{host}")
    if not base.startswith("https://") or not re.fullmatch(r"[A-Za-z0-9._~/-]{0,256}", path):
        raise EdgeError("report_endpoint", "https, without query")
    return base + slash + path


def _widget(widget: Widget) -> Widget:
    hosts = {origins.hostname(name) for name in widget.hostnames}
    if "" in hosts:
        raise EdgeError("challenge.hostnames", "host names, without scheme, port or wildcard")
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,128}", widget.site_key):
        raise EdgeError("challenge.site_key", "8 to 128 characters of A-Z a-z 0-9 _ -")
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,32}", action) for action in widget.actions):
        raise EdgeError("challenge.actions", "1 to 32 characters of A-Z a-z 0-9 _ -")
    if widget.environment not in {"live", "test"}:
        raise EdgeError("challenge.environment", "live or test")
    return Widget(
        widget.provider, widget.site_key, frozenset(hosts), widget.actions, widget.environment, widget.on_outage
    )
