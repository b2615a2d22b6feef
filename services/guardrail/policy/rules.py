"""The policy data, checked and made ready: word sets, rules, modes, and what may leave in an answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.guardrail.policy.checked import each, mapping, names, number, only, text
from services.guardrail.policy.choices import Choices, choices_of
from services.guardrail.policy.fold import fold
from services.guardrail.policy.grammar import Lexicon, Pattern
from services.guardrail.policy.linear import flaw_of
from services.guardrail.policy.model import PolicyError, Source
from services.guardrail.policy.release import Release, release_of

_RULE_KEYS = frozenset(
    {"id", "category", "words", "either_order", "within", "unless", "pattern", "needs", "finds", "sources", "weight",
     "untrusted", "attacks", "benign"}
)  # fmt: skip
_KEYS = frozenset({"version", "sets", "rules", "quoting", "default", "modes", "allow", "output"})
_ID = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
BUILT_IN = frozenset({"hidden_characters", "tag_characters", "encoded_rule", "nested_deeper", "repeated_word"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What a match says of a text by its source: from 1.0 on it refuses, several smaller ones add up."""

    id: str
    category: str
    user: float
    untrusted: float
    pattern: re.Pattern[str] | None = None
    needs: tuple[str, ...] = ()
    finds: str = ""
    sources: frozenset[Source] = frozenset(Source)
    attacks: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()

    def weight(self, source: Source) -> float:
        """Weight of one match in a text of this source."""
        if source not in self.sources:
            return 0.0
        return self.untrusted if source.untrusted else self.user


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules in force."""

    version: str
    lexicon: Lexicon
    rules: tuple[Rule, ...]
    sequences: tuple[Pattern, ...]
    quoting: int
    choices: Choices
    release: Release


def parse_rules(document: object) -> RuleBook:
    """Checks the policy data; raises PolicyError that names the key."""
    data = mapping(document, "policy")
    only(data, _KEYS, "policy")
    sets = {name: names(words, f"sets.{name}") for name, words in mapping(data.get("sets"), "sets").items()}
    lexicon = Lexicon(sets)
    rules: list[Rule] = []
    sequences: list[Pattern] = []
    for entry in each(data.get("rules"), "rules"):
        rules.append(_rule(entry))
        sequences += _sequences(entry, len(rules) - 1, lexicon)
    _check(rules)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return RuleBook(
        version=f"{data.get('version', 1)}-{digest}",
        lexicon=lexicon,
        rules=tuple(rules),
        sequences=tuple(sequences),
        quoting=_bits(data.get("quoting", []), lexicon, "quoting"),
        choices=choices_of(data),
        release=release_of(mapping(data.get("output"), "output")),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    name = text(entry.get("id"), "rules.id")
    only(entry, _RULE_KEYS, f"rules.{name}")
    if not _ID.fullmatch(name) or len(name) > 64:
        raise PolicyError(f"rules.{name}: an id is category.name in small letters")
    kinds = [key for key in ("words", "pattern", "finds") if key in entry]
    if len(kinds) != 1:
        raise PolicyError(f"rules.{name}: exactly one of words, pattern and finds is needed")
    if entry.get("finds", "") not in {"", *BUILT_IN}:
        raise PolicyError(f"rules.{name}: finds must be one of {', '.join(sorted(BUILT_IN))}")
    user = number(entry.get("weight", 0.0), f"rules.{name}.weight")
    return Rule(
        id=name,
        category=text(entry.get("category"), f"rules.{name}.category"),
        user=user,
        untrusted=number(entry.get("untrusted", user), f"rules.{name}.untrusted"),
        pattern=_pattern(entry["pattern"], name) if "pattern" in entry else None,
        needs=tuple(fold(word) for word in names(entry.get("needs", []), f"rules.{name}.needs")),
        finds=str(entry.get("finds", "")),
        sources=frozenset(_source(value, name) for value in entry["sources"])
        if "sources" in entry
        else frozenset(Source),
        attacks=names(entry.get("attacks", []), f"rules.{name}.attacks"),
        benign=names(entry.get("benign", []), f"rules.{name}.benign"),
    )


def _pattern(value: object, name: str) -> re.Pattern[str]:
    pattern = text(value, f"rules.{name}.pattern")
    flaw = flaw_of(pattern, most_open=1)
    if flaw:
        raise PolicyError(f"rules.{name}.pattern: {flaw}")
    return re.compile(pattern)


def _source(value: object, name: str) -> Source:
    try:
        return Source(str(value))
    except ValueError:
        raise PolicyError(f"rules.{name}.sources: no such source") from None


def _sequences(entry: Mapping[str, Any], rule: int, lexicon: Lexicon) -> list[Pattern]:
    if "words" not in entry:
        return []
    name = str(entry["id"])
    orders = each_order(entry["words"], bool(entry.get("either_order")), name)
    within = int(number(entry.get("within", 8), f"rules.{name}.within", most=64))
    unless = _bits(entry.get("unless", []), lexicon, f"rules.{name}.unless")
    return [
        Pattern(rule, tuple(_bits([word], lexicon, f"rules.{name}.words") for word in order), within, unless)
        for order in orders
    ]


def each_order(value: object, either: bool, name: str) -> list[tuple[str, ...]]:
    """The orders in which the sets of a rule may stand."""
    order = names(value, f"rules.{name}.words")
    return [order, order[::-1]] if either and len(order) > 1 else [order]


def _bits(value: object, lexicon: Lexicon, key: str) -> int:
    bits = 0
    for name in names(value, key):
        for alternative in name.split("|"):  # "a|b": a word of either set
            if alternative.strip() not in lexicon.bits:
                raise PolicyError(f"{key}: no set {alternative.strip()}")
            bits |= lexicon.bits[alternative.strip()]
    return bits


def _check(rules: list[Rule]) -> None:
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise PolicyError("rules: an id stands twice")
    bare = [rule.id for rule in rules if not rule.finds and not (rule.attacks and rule.benign)]
    if bare:
        raise PolicyError(f"rules.{bare[0]}: needs an attack that it finds and a benign text that it lets pass")
