"""What a scenario is, what it is given, and what it reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from cli.asking import Gateway, by_jwt, question
from cli.decision import Answer
from cli.failure import Failure
from cli.members import Administrator
from cli.show import decided_by
from cli.words import outcome_name, reason_name
from embedded.stack import Stack


@dataclass(frozen=True, slots=True)
class Check:
    """One claim: what should be, and what is."""

    what: str
    expected: str
    actual: str

    @property
    def holds(self) -> bool:
        """True when they are the same."""
        return self.expected == self.actual


@dataclass(slots=True)
class Report:
    """What happened in a scenario: answers to show, by label, and claims."""

    answers: list[tuple[str, Answer]] = field(default_factory=list)
    failures: list[tuple[str, Failure]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def expect(self, what: str, expected: object, actual: object) -> None:
        """Adds a claim."""
        self.checks.append(Check(what, str(expected), str(actual)))

    def expect_outcome(self, answer: Answer, expected: str) -> None:
        """Adds the claim that counts: `ALLOW`, or `OUTCOME REASON by STAGE`."""
        self.expect("outcome", expected, verdict_of(answer))

    def expect_refusal(self, what: str, answer: Answer, expected: str) -> None:
        """The same with words of its own."""
        self.expect(what, expected, verdict_of(answer))

    @property
    def holds(self) -> bool:
        """True when every claim holds and there is one."""
        return bool(self.checks) and all(check.holds for check in self.checks)


@dataclass(frozen=True, slots=True)
class World:
    """What a scenario may use."""

    stack: Stack
    gateway: Gateway
    acme: Administrator
    globex: Administrator

    @classmethod
    def of(cls, stack: Stack) -> World:
        """A backend's view of a running stack."""
        gateway = Gateway(stack.channel("gateway"))
        return cls(stack, gateway, Administrator(stack), Administrator(stack, stack.other))

    async def ask(self, credential: auth_pb.Credential, text: str, brand: str = "", **more: Any) -> pb.AdmitResponse:
        """A request to acme's brand, unless another is named."""
        more.setdefault("conversation", "demo")
        return await self.gateway.admit(question(credential, brand or self.stack.brand, text, **more))

    def user(self, name: str) -> auth_pb.Credential:
        """What a user of acme presents."""
        return by_jwt(self.stack.user_jwt(name))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named story."""

    title: str
    story: str
    play: Callable[[World], Awaitable[Report]]


def verdict_of(answer: Answer) -> str:
    """`ALLOW`, or `THROTTLE RATE_LIMITED by ratelimit`."""
    name = outcome_name(answer.outcome)
    if name == "ALLOW":
        return name
    return f"{name} {reason_name(answer.reason)} by {decided_by(answer)}"


def names(values: Sequence[str]) -> str:
    """A list in one stable order, for comparison."""
    return ", ".join(sorted(values))
