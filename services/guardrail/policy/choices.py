"""What an organisation or a brand may choose: a mode, a budget of false positives, phrases allowed for a while."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.guardrail.policy.checked import each, only, text
from services.guardrail.policy.fold import fold
from services.guardrail.policy.learned import Budget
from services.guardrail.policy.model import PolicyError

SHORTEST = 12  # characters of a phrase: a shorter one would allow too much
LONGEST = 200
_MOST = 1_000
_ENFORCE = "enforce"  # the older word for block


class Mode(StrEnum):
    """What a finding leads to. Whatever is not known blocks."""

    BLOCK = "block"
    REDACT = "redact"
    FLAG = "flag"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Choice:
    """For one brand, or for all of an organisation."""

    mode: Mode = Mode.BLOCK
    budget: Budget = Budget.LOW


@dataclass(frozen=True, slots=True)
class Allowed:
    """A phrase that passes where it stands as written, until the end of a day (UTC)."""

    organisation: str
    brand: str
    phrase: str
    until: float


@dataclass(frozen=True, slots=True)
class Choices:
    """All of them; the brand's own word goes before the organisation's, that before everybody's."""

    default: Choice
    by_place: Mapping[tuple[str, str], Choice]
    phrases: tuple[Allowed, ...]

    def of(self, organisation: str, brand: str) -> Choice:
        """The choice that holds for a brand."""
        places = ((organisation, brand), (organisation, ""))
        return next((self.by_place[place] for place in places if place in self.by_place), self.default)

    def allowed(self, organisation: str, brand: str, now: float) -> tuple[str, ...]:
        """Folded phrases that are allowed now."""
        return tuple(
            each.phrase
            for each in self.phrases
            if each.organisation == organisation and each.brand in ("", brand) and now < each.until
        )


def choices_of(data: Mapping[str, Any]) -> Choices:
    """Checks `default`, `modes` and `allow` of the policy."""
    default = _choice(data.get("default", {}), Choice(), "default", frozenset())
    by_place: dict[tuple[str, str], Choice] = {}
    for entry in each(data.get("modes", []), "modes"):
        place = (text(entry.get("organisation"), "modes.organisation"), str(entry.get("brand", "")))
        if place in by_place:
            raise PolicyError("modes: an organisation and brand stands twice")
        by_place[place] = _choice(entry, default, "modes", frozenset({"organisation", "brand"}))
    entries = each(data.get("allow", []), "allow")
    if len(entries) > _MOST:
        raise PolicyError(f"allow: more than {_MOST} phrases")
    return Choices(default, by_place, tuple(map(_allowed, entries)))


def _choice(entry: Mapping[str, Any], base: Choice, key: str, more: frozenset[str]) -> Choice:
    only(entry, frozenset({"mode", "false_positives"}) | more, key)
    mode, budget = entry.get("mode", base.mode), entry.get("false_positives", base.budget)
    if mode != _ENFORCE and mode not in set(Mode):
        raise PolicyError(f"{key}: mode is {', '.join(Mode)}")
    if budget not in set(Budget):
        raise PolicyError(f"{key}: false_positives is {', '.join(Budget)}, never a number")
    return Choice(Mode.BLOCK if mode == _ENFORCE else Mode(mode), Budget(budget))


def _allowed(entry: Mapping[str, Any]) -> Allowed:
    only(entry, frozenset({"organisation", "brand", "phrase", "until"}), "allow")
    phrase = fold(text(entry.get("phrase"), "allow.phrase")).strip()
    if not SHORTEST <= len(phrase) <= LONGEST or " " not in phrase:
        raise PolicyError(f"allow.phrase: several words, {SHORTEST} to {LONGEST} characters")
    until = entry.get("until")
    if isinstance(until, datetime.datetime) or not isinstance(until, datetime.date):
        raise PolicyError("allow.until: a day like 2027-01-31 is needed; no phrase is allowed for ever")
    after = datetime.datetime.combine(until + datetime.timedelta(days=1), datetime.time.min, datetime.UTC)
    return Allowed(
        text(entry.get("organisation"), "allow.organisation"), str(entry.get("brand", "")), phrase, after.timestamp()
    )
