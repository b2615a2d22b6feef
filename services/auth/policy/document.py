"""The policy as data: what an operator writes in `policies/auth.yaml`, checked strictly before it is accepted."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.auth.policy.edge_document import ChallengeRules, EdgePolicy
from services.auth.policy.sessions import SessionLimits

PlanName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Seconds = Annotated[int, Field(ge=60, le=30 * 86_400, strict=True)]
Count = Annotated[int, Field(ge=1, le=1000, strict=True)]
ByPlan = int | dict[str, int]


class PolicyError(ValueError):
    """The document is not a policy; the text names every wrong key and is meant for the operator who wrote it."""


class Strict(BaseModel):
    """A part of the document: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SessionRules(Strict):
    """How long sessions live, and how many a user may have; one number, or one for each plan."""

    life_seconds: Seconds | dict[PlanName, Seconds] = 86_400
    idle_seconds: Seconds | dict[PlanName, Seconds] = 1800
    most_live: Count | dict[PlanName, Count] = 20
    outlive_token: Annotated[bool, Field(strict=True)] = False


class AuthPolicy(Strict):
    """The whole policy."""

    version: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")]
    plans: Annotated[list[PlanName], Field(min_length=1, max_length=32)]
    default_plan: PlanName
    sessions: SessionRules = SessionRules()
    challenge: ChallengeRules = ChallengeRules()
    edge: EdgePolicy = EdgePolicy()

    @model_validator(mode="after")
    def _consistent(self) -> AuthPolicy:
        if self.default_plan not in self.plans:
            raise ValueError("default_plan must be one of plans")
        for name in ("life_seconds", "idle_seconds", "most_live"):
            numbers = getattr(self.sessions, name)
            if isinstance(numbers, dict) and set(numbers) != set(self.plans):
                raise ValueError(f"sessions.{name}: one number for each of the plans {', '.join(self.plans)}")
        for plan in self.plans:
            limits = self.session_limits(plan)
            if limits.idle_seconds > limits.life_seconds:
                raise ValueError(f"sessions.idle_seconds: longer than the life of a session on plan {plan}")
        return self

    def session_limits(self, plan: str) -> SessionLimits:
        """The limits of sessions on a plan; a plan that is not listed is treated as the default one."""
        known = plan if plan in self.plans else self.default_plan
        rules = self.sessions
        return SessionLimits(
            life_seconds=_of(rules.life_seconds, known),
            idle_seconds=_of(rules.idle_seconds, known),
            most_live=_of(rules.most_live, known),
            outlive_token=rules.outlive_token,
        )

    def fingerprint(self) -> str:
        """The version as written, and a digest of everything that was written: two policies never share it."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def parse_policy(data: Any) -> AuthPolicy:
    """Checks a loaded document; raises `PolicyError` naming every wrong key."""
    try:
        return AuthPolicy.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'policy'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise PolicyError("; ".join(lines)) from None


def _of(numbers: ByPlan, plan: str) -> int:
    return numbers[plan] if isinstance(numbers, dict) else numbers
