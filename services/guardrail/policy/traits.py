"""What is known of a tool beside its schema: what a call can do, how often, after what, and who approves it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Risk(StrEnum):
    """What a call can do; what follows from it is in policies/guardrail_tools.yaml."""

    UNSTATED = "unstated"
    READ = "read"
    WRITE = "write"
    EGRESS = "egress"
    DESTRUCTIVE = "destructive"
    MONEY = "money"


class Approver(StrEnum):
    """Who may approve a call."""

    ANOTHER_USER = "another_user"
    ANY_USER = "any_user"


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls of one user; 0 = not said here."""

    admission: int = 0
    conversation: int = 0
    hour: int = 0

    def over(self, base: Quota) -> Quota:
        """This one where it says something, else the other."""
        return Quota(self.admission or base.admission, self.conversation or base.conversation, self.hour or base.hour)


@dataclass(frozen=True, slots=True)
class Traits:
    """As registered. The defaults are those of a tool of which nothing was said."""

    risk: Risk = Risk.UNSTATED
    observes: bool = False
    labels: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    quota: Quota = Quota()
    needs_approval: bool = False
    approver: Approver = Approver.ANOTHER_USER

    def facts(self) -> dict[str, Any]:
        """What differs from the defaults, in plain values: for the hash and the store."""
        said: dict[str, Any] = {}
        if self.risk is not Risk.UNSTATED:
            said["risk"] = self.risk.value
        if self.observes:
            said["observes"] = True
        if self.labels:
            said["labels"] = sorted(set(self.labels))
        if self.not_after:
            said["not_after"] = sorted(set(self.not_after))
        if self.quota != Quota():
            said["quota"] = [self.quota.admission, self.quota.conversation, self.quota.hour]
        if self.needs_approval:
            said["needs_approval"] = True
        if self.approver is not Approver.ANOTHER_USER:
            said["approver"] = self.approver.value
        return said


NOTHING_SAID = Traits()


def traits_of(said: dict[str, Any]) -> Traits:
    """The way back from `facts`; raises ValueError, KeyError or TypeError when it is not of this version's shape."""
    known = {"risk", "observes", "labels", "not_after", "quota", "needs_approval", "approver"}
    if set(said) - known:
        raise ValueError("a trait of another version")
    return Traits(
        risk=Risk(said.get("risk", Risk.UNSTATED)),
        observes=said.get("observes") is True,
        labels=tuple(said.get("labels", ())),
        not_after=tuple(said.get("not_after", ())),
        quota=Quota(*said.get("quota", ())),
        needs_approval=said.get("needs_approval") is True,
        approver=Approver(said.get("approver", Approver.ANOTHER_USER)),
    )
