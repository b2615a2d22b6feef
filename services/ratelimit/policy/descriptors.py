"""What Envoy's descriptors are counted by: the `envoy` section of the policy, and the draws of one request. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Scripts count in doubles, which are exact to 2^53; every product they form stays below this.
_EXACT = 2**52
Entries = tuple[tuple[str, str], ...]
DomainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
_Key = Annotated[str, Field(min_length=1, max_length=256)]
_Value = Annotated[str, Field(max_length=4096)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DescriptorLimit(_Strict):
    """One limit of whatever a rule matches, over seconds."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_.]+$", max_length=64)]
    window: Annotated[int, Field(ge=1, le=31 * 86_400, strict=True)]
    algorithm: Literal["gcra", "sliding"]
    limit: Annotated[int, Field(ge=1, le=10**9, strict=True)]
    mode: Literal["enforce", "observe"] = "enforce"

    @model_validator(mode="after")
    def _countable(self) -> DescriptorLimit:
        if self.algorithm == "sliding" and self.limit * self.window * 1000 > _EXACT:
            raise ValueError("too large for a sliding window of this length")
        if self.algorithm == "gcra" and self.limit * 100 > self.window * 1_000_000:
            raise ValueError("too fast for gcra (more than one per 100 us); use a sliding window")
        return self

    @property
    def state_ms(self) -> int:
        """How long its state can matter after it was last written."""
        return self.window * 2_000 + 60_000


class DescriptorRule(_Strict):
    """The limits of every descriptor with these keys in this order, and these values where one is given."""

    match: Annotated[list[_Key | dict[_Key, _Value]], Field(min_length=1, max_length=16)]
    limits: Annotated[list[DescriptorLimit], Field(min_length=1, max_length=8)]
    settle: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> DescriptorRule:
        if any(isinstance(part, dict) and len(part) != 1 for part in self.match):
            raise ValueError("match: each part is a key, or one key with its value")
        if self.settle and any(limit.algorithm != "sliding" for limit in self.limits):
            raise ValueError("settle: only a sliding limit can be charged beyond its end")
        return self

    @property
    def pattern(self) -> tuple[tuple[str, str | None], ...]:
        """Keys with the value wanted, or None for any."""
        return tuple((part, None) if isinstance(part, str) else next(iter(part.items())) for part in self.match)


class EnvoyDomain(_Strict):
    """The rules of one domain; the first that matches a descriptor counts it."""

    unmatched: Literal["refuse", "allow"] = "refuse"
    rules: Annotated[list[DescriptorRule], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _consistent(self) -> EnvoyDomain:
        ids = Counter(limit.id for rule in self.rules for limit in rule.limits)
        repeated = sorted(name for name, times in ids.items() if times > 1)
        if repeated:
            raise ValueError(f"limit ids must be unique in a domain: {', '.join(repeated)}")
        for later, rule in enumerate(self.rules):
            if any(_covers(earlier.pattern, rule.pattern) for earlier in self.rules[:later]):
                raise ValueError(f"rules.{later}: an earlier rule matches everything that this one does")
        return self

    def find(self, entries: Entries) -> DescriptorRule | None:
        """The rule of a descriptor."""
        return next((rule for rule in self.rules if _covers(rule.pattern, entries)), None)


@dataclass(frozen=True, slots=True)
class Asked:
    """One descriptor of a request; `hits` 0 looks only."""

    entries: Entries
    hits: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What is taken from the limits of one subject. With `settle` the hits were used already: charged in any case."""

    subject: str
    limits: tuple[DescriptorLimit, ...]
    hits: int
    settle: bool


def draws_of(domain: EnvoyDomain, asked: Sequence[Asked]) -> tuple[tuple[Draw, ...], tuple[int | None, ...]]:
    """The draws, and for each descriptor which one is its own; None where no rule matches.

    The same descriptor twice is one draw of both amounts: read twice before it is written, it would be charged once.
    """
    draws: dict[str, Draw] = {}
    for each in asked:
        rule = domain.find(each.entries)
        if rule is None:
            continue
        subject = subject_of(each.entries)
        before = draws[subject].hits if subject in draws else 0
        draws[subject] = Draw(subject, tuple(rule.limits), before + each.hits, rule.settle)
    order = {subject: number for number, subject in enumerate(draws)}
    return tuple(draws.values()), tuple(order.get(subject_of(each.entries)) for each in asked)


def subject_of(entries: Entries) -> str:
    """A name for a descriptor that does not show its values, which may be addresses or credentials."""
    return hashlib.blake2b(json.dumps(entries).encode(), digest_size=16).hexdigest()


def _covers(pattern: Sequence[tuple[str, str | None]], other: Sequence[tuple[str, str | None]]) -> bool:
    return len(pattern) == len(other) and all(
        key == name and wanted in (None, value) for (key, wanted), (name, value) in zip(pattern, other, strict=True)
    )
