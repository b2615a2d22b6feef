"""The policy of detection and response as data: policies/response.yaml, checked strictly before it is accepted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.audit.policy.catalogue import Catalogue
from services.audit.policy.detection import Rule
from services.audit.policy.playbooks import KINDS, Mode, Step

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Seconds = Annotated[float, Field(ge=1, le=30 * 86_400)]
Group = Literal["address", "user", "key", "session", "workload", "organisation", "key_prefix", "target"]
Value = Annotated[str, Field(max_length=64)]


class ResponsePolicyError(ValueError):
    """The document is not a policy; the text names what is wrong and is for the operator who wrote it."""


class Strict(BaseModel):
    """A part of the document: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Caps(Strict):
    """How far actions may reach without anybody's approval."""

    subjects_per_hour: Annotated[int, Field(ge=0, le=10_000, strict=True)] = 20


class StepRule(Strict):
    """One action; `seconds` after which it is taken back by itself."""

    do: str
    seconds: Seconds | None = None

    @model_validator(mode="after")
    def _known(self) -> StepRule:
        kind = KINDS.get(self.do)
        if kind is None:
            raise ValueError(f"there is no action {self.do}")
        if bool(kind.inverse) != (self.seconds is not None):
            raise ValueError(f"{self.do}: seconds are for actions that are taken back, and those need them")
        return self

    def step(self) -> Step:
        """As the core knows it."""
        return Step(self.do, self.seconds or 0.0)


class RuleDocument(Strict):
    """One rule with its playbook."""

    id: Name
    about: Annotated[str, Field(min_length=1, max_length=200)]
    codes: Annotated[list[str], Field(min_length=1, max_length=32)]
    where: dict[str, Annotated[list[Value], Field(min_length=1, max_length=16)]] = {}
    group: Annotated[list[Group], Field(min_length=1, max_length=4)]
    over: Annotated[float, Field(ge=0)]
    window: Seconds
    cool_down: Seconds
    severity: Literal["low", "medium", "high", "critical"]
    amount: str = ""
    mode: Mode
    actions: Annotated[list[StepRule], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _consistent(self) -> RuleDocument:
        for name in self.where:
            if name not in ("outcome", "reason", "service") and not name.startswith("facts."):
                raise ValueError(f"where: {name} is not a field that can be asked for")
        return self

    def rule(self) -> Rule:
        """As the core counts."""
        where = {name: frozenset(values) for name, values in self.where.items()}
        times = (self.over, self.window, self.cool_down)
        return Rule(self.id, frozenset(self.codes), where, tuple(self.group), *times, self.severity, self.amount)


class ResponsePolicy(Strict):
    """The whole document."""

    version: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")]
    caps: Caps = Caps()
    rules: Annotated[list[RuleDocument], Field(max_length=64)]

    @model_validator(mode="after")
    def _distinct(self) -> ResponsePolicy:
        names = [rule.id for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: {', '.join(twice)} stands twice")
        return self

    def named(self, name: str) -> RuleDocument | None:
        """The rule of a playbook."""
        return next((rule for rule in self.rules if rule.id == name), None)


def parse_policy(data: Any, catalogue: Catalogue) -> ResponsePolicy:
    """The checked policy; raises ResponsePolicyError. A code that no event has would never fire: it is refused."""
    try:
        policy = ResponsePolicy.model_validate(data)
    except ValidationError as error:
        wrong = [".".join(map(str, each["loc"])) + ": " + each["msg"] for each in error.errors()[:8]]
        raise ResponsePolicyError("; ".join(wrong)) from None
    for rule in policy.rules:
        for code in rule.codes:
            known = catalogue.get(code)
            if known is None:
                raise ResponsePolicyError(f"{rule.id}: {code} is no event of the catalogue")
            if rule.amount and rule.amount not in known.facts:
                raise ResponsePolicyError(f"{rule.id}: {code} has no fact {rule.amount}")
    return policy
