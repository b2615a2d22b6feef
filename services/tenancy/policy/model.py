"""The facts that tenancy decides on, and its answers. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

OWNER_ROLE = "owner"


class Status(Enum):
    """Lifecycle of an organisation. Whatever is not ACTIVE is refused."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Cause(Enum):
    """Why something was decided."""

    NONE = "none"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    NOT_PERMITTED = "not_permitted"
    POLICY_ERROR = "policy_error"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Lifecycle facts; `created_at` is unix seconds."""

    organisation: str
    display_name: str
    plan: str
    status: Status
    created_at: float


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand of an organisation; `zone` is an IANA name."""

    brand: str
    display_name: str
    zone: str
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Member:
    """A membership. `all_brands` is explicit: an empty `brands` alone never means "all"."""

    user: str
    roles: tuple[str, ...]
    brands: frozenset[str]
    all_brands: bool
    joined_at: float = 0.0

    def may_use(self, brand: str) -> bool:
        """Whether the membership reaches a brand that exists."""
        return self.all_brands or brand in self.brands


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store knows of a caller in its own organisation; `member` is None for a stranger."""

    organisation: str
    plan: str
    status: Status
    member: Member | None


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is on, as resolved by an owner of that type; never as a request describes it."""

    type: str
    id: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer. `policies` are the ids of the policies that decided it."""

    allowed: bool
    cause: Cause
    policies: tuple[str, ...] = ()


def deny(cause: Cause, policies: tuple[str, ...] = ()) -> Decision:
    """A refusal."""
    return Decision(allowed=False, cause=cause, policies=policies)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Answer of ResolvePrincipal; the fields say something only when `decision.allowed`."""

    decision: Decision
    brand: str = ""
    zone: str = ""
    plan: str = ""
    joined_at: float = 0.0
    roles: tuple[str, ...] = ()
