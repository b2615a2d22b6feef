"""What holds for one brand of one organisation: the operator's policy with what the organisation has chosen itself.

An organisation chooses a mode, a budget of false positives, phrases for a while, hosts and shapes of identifiers. It
chooses no number, and no rule or check away.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.guardrail.policy.checked import each, mapping, only, text
from services.guardrail.policy.choices import Allowed, Choice, choices_of
from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.release import Identifier, Release, release_of
from services.guardrail.policy.rules import RuleBook

MOST_PHRASES = 200
MOST_HOSTS = 200
MOST_SHAPES = 20
FARTHEST_DAYS = 366  # ahead that a phrase may be allowed
_KEYS = frozenset({"mode", "false_positives", "allow", "link_hosts", "identifiers"})


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stored choice, checked; `choice` is None where the organisation left mode and budget to the operator."""

    choice: Choice | None
    phrases: tuple[Allowed, ...]
    hosts: frozenset[str]
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """In force for a caller's brand; `version` says exactly what."""

    version: str
    choice: Choice
    phrases: tuple[Allowed, ...]
    release: Release
    hosts: frozenset[str]
    identifiers: tuple[Identifier, ...]

    def allowed(self, now: float) -> tuple[str, ...]:
        """Folded phrases that are allowed now."""
        return tuple(each.phrase for each in self.phrases if now < each.until)


def chosen(organisation: str, brand: str, document: str, today: datetime.date | None = None) -> Chosen:
    """Reads a stored document; raises PolicyError that names the key. With `today` it is checked as a new one."""
    try:
        data = mapping(json.loads(document), "policy")
    except ValueError:
        raise PolicyError("policy: is not JSON") from None
    only(data, _KEYS, "policy")
    place = {"organisation": organisation, "brand": brand}
    phrases = [{**entry, **place, "until": _day(entry.get("until"))} for entry in _most(data, "allow", MOST_PHRASES)]
    if today is not None and any((entry["until"] - today).days > FARTHEST_DAYS for entry in phrases):
        raise PolicyError(f"allow.until: at most {FARTHEST_DAYS} days ahead")
    picked = {name: data[name] for name in ("mode", "false_positives") if name in data}
    if picked.get("mode") == "enforce":
        raise PolicyError("mode: is block, redact, flag or observe")
    choices = choices_of({"modes": [{**place, **picked}] if picked else [], "allow": phrases})
    hosts = data.get("link_hosts", [])
    if not isinstance(hosts, list) or len(hosts) > MOST_HOSTS:
        raise PolicyError(f"link_hosts: a list of at most {MOST_HOSTS}")
    release = release_of(
        {
            "leaks": ["EMAIL_ADDRESS"],
            "link_hosts": [{**place, "hosts": hosts}] if hosts else [],
            "identifiers": [{**entry, **place} for entry in _most(data, "identifiers", MOST_SHAPES)],
        }
    )
    return Chosen(
        choices.by_place.get((organisation, brand)) if picked else None,
        choices.phrases,
        release.hosts_for(organisation, brand),
        release.identifiers,
    )


def own_of(book: RuleBook, organisation: str, brand: str, stored: Mapping[str, Chosen], version: str = "") -> Own:
    """Of the operator's policy and the stored choices by brand ("" = every brand): the nearest word holds for mode and
    budget, lists add up."""
    near = [stored[place] for place in dict.fromkeys((brand, "")) if place in stored]
    choice = next((each.choice for each in near if each.choice is not None), None)
    phrases = tuple(
        each for each in book.choices.phrases if each.organisation == organisation and each.brand in ("", brand)
    )
    hosts = book.release.hosts_for(organisation, brand)
    identifiers = book.release.identifiers_for(organisation, brand)
    for one in near:
        phrases, hosts = phrases + one.phrases, hosts | one.hosts
        identifiers += one.identifiers
    return Own(
        f"{book.version}+{version}" if version else book.version,
        choice or book.choices.of(organisation, brand),
        phrases,
        book.release,
        hosts,
        identifiers,
    )


def version_of(documents: Sequence[tuple[str, str]]) -> str:
    """Of stored documents by brand; empty when there is none."""
    if not documents:
        return ""
    return hashlib.sha256(json.dumps(sorted(documents)).encode()).hexdigest()[:12]


def _most(data: Mapping[str, Any], key: str, most: int) -> list[Mapping[str, Any]]:
    entries = each(data.get(key, []), key)
    if len(entries) > most:
        raise PolicyError(f"{key}: more than {most}")
    if any({"organisation", "brand"} & set(entry) for entry in entries):
        raise PolicyError(f"{key}: organisation and brand are those of the policy")
    return entries


def _day(value: object) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text(value, "allow.until"))
    except ValueError:
        raise PolicyError("allow.until: a day like 2027-01-31 is needed; no phrase is allowed for ever") from None
