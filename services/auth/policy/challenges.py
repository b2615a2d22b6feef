"""Bot challenges: when one is asked for, and what a provider's answer means. An outage is never an allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

WINDOW_SECONDS = 300  # the providers' own life of a token
SKEW_SECONDS = 30
# Every published test key is mostly zeros; no random one has a run like this.
_TEST_KEY = re.compile(r"0{15}|-ffff-ffff-ffff-0{8}", re.IGNORECASE)


class Provider(StrEnum):
    """Whose widget it is."""

    TURNSTILE = "turnstile"
    HCAPTCHA = "hcaptcha"

    @property
    def binds(self) -> bool:
        """Whether its answer says for which action and for whom the widget was shown."""
        return self is Provider.TURNSTILE

    @property
    def repeatable(self) -> bool:
        """Whether the same question may be asked twice without spending the token."""
        return self is Provider.TURNSTILE


class OnOutage(StrEnum):
    """What a user gets while the provider cannot be asked. There is no third value."""

    DENY = "deny"
    STEP_UP = "step_up"  # the caller may prove the user in another way


class Finding(Enum):
    """What came of a challenge; the zero value is a refusal."""

    UNSPECIFIED = "unspecified"
    SOLVED = "solved"
    # The user can solve again
    MISSING = "missing"
    SPENT = "spent"  # expired, or redeemed before
    REPLAYED = "replayed"  # seen here before
    # Nothing that an honest page sends
    FORGED = "forged"
    WRONG_HOSTNAME = "wrong_hostname"
    WRONG_ACTION = "wrong_action"
    WRONG_BINDING = "wrong_binding"
    OUT_OF_TIME = "out_of_time"
    TOO_MANY = "too_many"
    NOT_CONFIGURED = "not_configured"
    # Ours or the provider's
    MISCONFIGURED = "misconfigured"
    OUTAGE = "outage"


class Decided(Enum):
    """What the caller is told."""

    REFUSED = "refused"
    SOLVED = "solved"
    SOLVE_AGAIN = "solve_again"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"
    STEP_UP = "step_up"


_CONFIG = ("missing-input-secret", "invalid-input-secret", "bad-request")
_COMMON = dict.fromkeys(_CONFIG, Finding.MISCONFIGURED) | {
    "missing-input-response": Finding.MISSING,
    "invalid-input-response": Finding.FORGED,
}
# Everything that the providers document; what is not here is treated as our own fault, loudly.
CODES: Mapping[Provider, Mapping[str, Finding]] = {
    Provider.TURNSTILE: _COMMON
    | {
        "invalid-widget-id": Finding.MISCONFIGURED,
        "invalid-parsed-secret": Finding.MISCONFIGURED,
        "timeout-or-duplicate": Finding.SPENT,
        "internal-error": Finding.OUTAGE,
    },
    Provider.HCAPTCHA: _COMMON
    | {
        "invalid-sitekey": Finding.MISCONFIGURED,
        "sitekey-secret-mismatch": Finding.MISCONFIGURED,
        "not-using-dummy-passcode": Finding.MISCONFIGURED,
        "not-using-dummy-secret": Finding.MISCONFIGURED,
        "missing-remoteip": Finding.MISCONFIGURED,
        "invalid-remoteip": Finding.MISCONFIGURED,
        "invalid-or-already-seen-response": Finding.SPENT,
        "already-seen-response": Finding.SPENT,
        "expired-input-response": Finding.SPENT,
        "internal-error": Finding.OUTAGE,
    },
}
# Several codes at once: the one that says most about us first.
_ORDER = (Finding.MISCONFIGURED, Finding.OUTAGE, Finding.FORGED, Finding.SPENT, Finding.MISSING)
_SOLVE_AGAIN = frozenset({Finding.MISSING, Finding.SPENT, Finding.REPLAYED})
UNAVAILABLE = frozenset({Finding.MISCONFIGURED, Finding.OUTAGE})


@dataclass(frozen=True, slots=True)
class Widget:
    """A brand's challenge. `hostnames` empty = not checked, which production refuses; `actions` empty = any."""

    provider: Provider
    site_key: str
    hostnames: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    environment: str = "live"
    on_outage: OnOutage = OnOutage.DENY


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said; what it left out is empty."""

    success: bool
    codes: tuple[str, ...] = ()
    hostname: str = ""
    action: str = ""
    cdata: str = ""
    solved_at: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must say. `action` empty = any of the widget's; `cdatas` empty = not bound to anything."""

    widget: Widget
    action: str = ""
    cdatas: frozenset[str] = field(default=frozenset(), repr=False)


def judge(answer: Answer, expected: Expected, now: float) -> Finding:
    """What the answer means. The provider only says that somebody solved; that it was here and now is checked."""
    widget = expected.widget
    if not answer.success or answer.codes:
        return _of_codes(widget.provider, answer.codes)
    if widget.hostnames and answer.hostname.lower() not in widget.hostnames:
        return Finding.WRONG_HOSTNAME
    if not _in_time(answer.solved_at, now):
        return Finding.OUT_OF_TIME
    wanted = frozenset({expected.action}) if expected.action else widget.actions
    if wanted and answer.action not in wanted:
        return Finding.WRONG_ACTION
    if expected.cdatas and answer.cdata not in expected.cdatas:
        return Finding.WRONG_BINDING
    return Finding.SOLVED


def decide(finding: Finding, on_outage: OnOutage) -> Decided:
    """What the caller is told; only SOLVED lets anybody on."""
    if finding is Finding.SOLVED:
        return Decided.SOLVED
    if finding in _SOLVE_AGAIN:
        return Decided.SOLVE_AGAIN
    if finding is Finding.TOO_MANY:
        return Decided.TOO_MANY
    if finding in UNAVAILABLE:
        return Decided.STEP_UP if on_outage is OnOutage.STEP_UP else Decided.UNAVAILABLE
    return Decided.REFUSED


def is_test_key(value: str) -> bool:
    """Whether a site key or a secret is one of those that always pass, or always fail."""
    return _TEST_KEY.search(value) is not None


def unfit(widget: Widget, secret: str, *, production: bool) -> str:
    """Why a widget cannot be used here, as a rule for people; empty when it can."""
    if not widget.provider.binds and widget.actions:
        return "actions: this provider's answers name no action"
    if not production:
        return ""
    if widget.environment != "live":
        return "environment: production takes live only"
    if is_test_key(widget.site_key):
        return "site_key: a test key is refused in production"
    if is_test_key(secret):
        return "secret: a test secret is refused in production"
    if not widget.hostnames:
        return "hostnames: required in production"
    return ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of who might be asked. `risk` 0 to 100 is the caller's own view; `failures` are refused
    credentials from the address, lately."""

    proven: bool = False
    over_limit: bool = False
    failures: int = 0
    risk: int = 0


@dataclass(frozen=True, slots=True)
class AskRules:
    """When a challenge is asked for; data in policies/auth.yaml."""

    failures: int
    anonymous_risk: int


def is_asked(rules: AskRules, visitor: Visitor) -> bool:
    """Never of a user whose credential is good; else of whom the address or the risk speaks against."""
    if visitor.proven:
        return False
    return visitor.over_limit or visitor.failures >= rules.failures or visitor.risk >= rules.anonymous_risk


def _of_codes(provider: Provider, codes: tuple[str, ...]) -> Finding:
    known = CODES[provider]
    found = {known.get(code, Finding.MISCONFIGURED) for code in codes}
    return next((finding for finding in _ORDER if finding in found), Finding.FORGED)


def _in_time(stamp: str, now: float) -> bool:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return False
    if moment.tzinfo is None:
        return False
    age = now - moment.timestamp()
    return -SKEW_SECONDS <= age <= WINDOW_SECONDS
