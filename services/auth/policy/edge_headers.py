"""The browser policy for one origin of one brand as header lines: CORS, CSP with a nonce, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from services.auth.policy import origins
from services.auth.policy.challenges import Provider
from services.auth.policy.edge import EdgeRules

_TURNSTILE = ("https://challenges.cloudflare.com",)
_HCAPTCHA = ("https://hcaptcha.com", "https://*.hcaptcha.com")
_WIDGET_HOSTS: Mapping[Provider, Mapping[str, tuple[str, ...]]] = {
    Provider.TURNSTILE: dict.fromkeys(("script-src", "frame-src"), _TURNSTILE),
    Provider.HCAPTCHA: dict.fromkeys(("script-src", "frame-src", "style-src", "connect-src"), _HCAPTCHA),
}
# Always safe to send without asking; browsers call them so as well.
_SAFE_HEADERS = frozenset({"accept", "accept-language", "content-language"})


class Miss(Enum):
    """Why there is no policy; outside all but the last two look alike."""

    NONE = "none"
    ORIGIN = "origin"
    METHOD = "method"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Question:
    """A browser's request. `method` and `headers` are set for a preflight."""

    origin: str
    method: str = ""
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What is the same for every brand; data in policies/auth.yaml."""

    hsts_seconds: int = 63_072_000
    max_age_cap: int = 7_200
    referrer_policy: str = "strict-origin-when-cross-origin"
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer; with a miss there is no CORS header at all."""

    miss: Miss
    headers: Mapping[str, str] = field(default_factory=dict)


def resolve(rules: EdgeRules | None, question: Question, nonce: str, common: HeaderRules) -> Resolved:
    """One decision. An unknown brand (`rules` None) and an unlisted origin are the same miss."""
    origin = origins.presented(question.origin)
    # A cache must never give one origin's answer to another, least of all a refusal.
    vary = {"Vary": "Origin"}
    if rules is None or not origin or origin not in rules.origins:
        return Resolved(Miss.ORIGIN, vary)
    preflight = bool(question.method or question.headers)
    if question.method and question.method not in rules.methods:
        return Resolved(Miss.METHOD, vary)
    wanted = {name.strip().lower() for name in question.headers} - _SAFE_HEADERS
    if not wanted <= set(rules.headers):
        return Resolved(Miss.HEADER, vary)
    return Resolved(Miss.NONE, {**_cors(rules, origin, preflight, common), **_security(rules, nonce, common)})


def _cors(rules: EdgeRules, origin: str, preflight: bool, common: HeaderRules) -> dict[str, str]:
    found = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    if rules.credentials:
        found["Access-Control-Allow-Credentials"] = "true"
    if not preflight:
        return found
    found["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    if rules.methods:
        found["Access-Control-Allow-Methods"] = ", ".join(rules.methods)
    if rules.headers:
        found["Access-Control-Allow-Headers"] = ", ".join(rules.headers)
    found["Access-Control-Max-Age"] = str(min(rules.max_age, common.max_age_cap))
    return found


def _security(rules: EdgeRules, nonce: str, common: HeaderRules) -> dict[str, str]:
    ancestors = rules.sources.get("frame-ancestors", ())
    found = {
        "Content-Security-Policy": policy_of(rules, nonce),
        "Strict-Transport-Security": f"max-age={common.hsts_seconds}; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": common.referrer_policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if common.permissions:
        found["Permissions-Policy"] = ", ".join(f"{name}=()" for name in common.permissions)
    if not ancestors:
        found["X-Frame-Options"] = "DENY"
    # A widget is a frame of somebody else's: it would not load in a page that demands this of all it embeds.
    if rules.widget is None and not rules.sources.get("frame-src"):
        found["Cross-Origin-Embedder-Policy"] = "require-corp"
    if rules.report:
        found["Reporting-Endpoints"] = f'csp="{rules.report}"'
    return found


def policy_of(rules: EdgeRules, nonce: str) -> str:
    """The value of Content-Security-Policy."""
    extra: Mapping[str, tuple[str, ...]] = _WIDGET_HOSTS[rules.widget.provider] if rules.widget else {}

    def listed(name: str, *first: str) -> str:
        more = [*rules.sources.get(name, ()), *extra.get(name, ())]
        values = list(dict.fromkeys([*first, *more])) or ["'none'"]
        return f"{name} {' '.join(values)}"

    own = f"'nonce-{nonce}'"
    parts = [
        "default-src 'self'",
        listed("script-src", own, "'strict-dynamic'"),
        listed("style-src", "'self'", own),
        listed("img-src", "'self'"),
        listed("font-src", "'self'"),
        listed("connect-src", "'self'"),
        listed("media-src", "'self'"),
        listed("frame-src"),
        listed("frame-ancestors"),
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ]
    if rules.report:
        parts += [f"report-uri {rules.report}", "report-to csp"]
    return "; ".join(parts)
