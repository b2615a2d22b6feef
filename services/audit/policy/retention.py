"""How long data is kept, as data: `policies/retention.yaml`, checked strictly before a run. No input, no output."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.kit.retention import Due, Owned

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}
_AGE = re.compile(r"([1-9][0-9]{0,6})(s|min|h|d|y)")
_DAY = 86_400
FOREVER = float("inf")


class PolicyError(ValueError):
    """The document is not a policy; the text names what is wrong and is meant for the operator who wrote it."""


def seconds(text: Any) -> float:
    """An age as written: `7d`, `unlimited`. Raises ValueError."""
    if text == "unlimited":
        return FOREVER
    match = _AGE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("write a number with its unit (s, min, h, d, y), or unlimited")
    return float(int(match[1]) * _UNITS[match[2]])


def _ages(value: Any) -> dict[str, float]:
    if isinstance(value, dict):
        return {str(plan): seconds(age) for plan, age in value.items()}
    return {"": seconds(value)}


Age = Annotated[float, BeforeValidator(seconds)]
Ages = Annotated[dict[str, float], BeforeValidator(_ages)]
Name = Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
Plan = Annotated[str, Field(pattern=r"^[a-z]{1,32}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrailRules(_Strict):
    """The trail: how long it can be asked, and how long an archive rests before what it holds is dropped."""

    hot: Age
    rest: Age


class RetentionPolicy(_Strict):
    """The whole policy; ages are seconds."""

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    plans: Annotated[list[Plan], Field(min_length=1, max_length=32)]
    default_plan: Plan
    rows: dict[Name, Ages]
    watched: dict[Name, Age]
    volatile: dict[Name, Age]
    trail: TrailRules
    run_every: Age
    missed_after: Age

    def age(self, name: str, plan: str) -> float:
        """How long rows of a type are kept on a plan, seconds."""
        ages = self.rows[name]
        return ages[""] if "" in ages else ages[plan if plan in self.plans else self.default_plan]

    def digest(self) -> str:
        """Two policies never share it."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def parse(data: Any, owned: Iterable[Owned]) -> RetentionPolicy:
    """Checks a loaded document against what services keep. Raises PolicyError."""
    try:
        policy = RetentionPolicy.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{'.'.join(map(str, each['loc'])) or 'policy'}: {each['msg']}" for each in problems]
        raise PolicyError("; ".join(lines)) from None
    lines = list(_problems(policy, list(owned)))
    if lines:
        raise PolicyError("; ".join(lines))
    return policy


def _problems(policy: RetentionPolicy, owned: Sequence[Owned]) -> Iterator[str]:
    if policy.default_plan not in policy.plans:
        yield "default_plan: not one of plans"
    if not policy.run_every <= policy.missed_after < FOREVER:
        yield "missed_after: shorter than run_every, or unlimited"
    rows = {each.name: each for own in owned for each in own.rows}
    yield from _names("rows", policy.rows, [name for name, each in rows.items() if not each.watched])
    yield from _names("watched", policy.watched, [name for name, each in rows.items() if each.watched])
    yield from _names("volatile", policy.volatile, [each.name for own in owned for each in own.volatile])
    for name, ages in policy.rows.items():
        if "" not in ages and set(ages) != set(policy.plans):
            yield f"rows.{name}: one age for each of the plans {', '.join(policy.plans)}"
        if name in rows and min(ages.values()) < rows[name].least_days * _DAY:
            yield f"rows.{name}: shorter than the {rows[name].least_days:g} days that other parts rely on"
    for name, age in policy.watched.items():
        if name in rows and age < rows[name].least_days * _DAY:
            yield f"watched.{name}: shorter than the service keeps it"
    for own in owned:
        for volatile in own.volatile:
            # Longer by the code than the policy allows: nothing at run time could mend that.
            if (volatile.most_seconds or FOREVER) > policy.volatile.get(volatile.name, FOREVER):
                yield f"volatile.{volatile.name}: the service keeps it for {volatile.most_seconds:g} s"


def _names(part: str, written: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    for name in sorted(set(known) - set(written)):
        yield f"{part}.{name}: missing"
    for name in sorted(set(written) - set(known)):
        yield f"{part}.{name}: no service keeps this here"


def due(policy: RetentionPolicy, owned: Iterable[Owned], plans: Mapping[str, str], now: float) -> list[Due]:
    """What is past its time, as of a moment: by type and, where it depends on the plan, by the organisations on it."""
    on: dict[str, list[str]] = defaultdict(list)
    for organisation, plan in sorted(plans.items()):
        on[plan if plan in policy.plans else policy.default_plan].append(organisation)
    found: list[Due] = []
    for each in (each for own in owned for each in own.rows):
        if each.watched:
            if policy.watched[each.name] < FOREVER:
                found.append(Due(each.name, now - policy.watched[each.name]))
        elif "" in policy.rows[each.name]:
            if policy.age(each.name, "") < FOREVER:
                found.append(Due(each.name, now - policy.age(each.name, "")))
        elif each.classed:
            found += _by_class(policy, each.name, on, now)
        else:
            ages = {plan: policy.age(each.name, plan) for plan in policy.plans}
            found += [Due(each.name, now - age, on[plan]) for plan, age in ages.items() if on[plan] and age < FOREVER]
    return found


def _by_class(policy: RetentionPolicy, name: str, on: Mapping[str, Sequence[str]], now: float) -> Iterator[Due]:
    """The longer of both plans counts: that of when it was written, and that of today."""
    for plan in policy.plans:
        for written in policy.plans:
            age = max(policy.age(name, plan), policy.age(name, written))
            if age < FOREVER and on[plan]:
                yield Due(name, now - age, on[plan], (written,))
