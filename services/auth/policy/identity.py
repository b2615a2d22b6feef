"""Who is asking, as far as it is proven."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field

from services.auth.policy.causes import Cause
from services.kit.caller import UNSAID, Authentication, KeyLimit


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it came: the workload that will use its token, the brand asked for and the address of the end
    client (both may be empty)."""

    text: str = field(repr=False)
    workload: str
    brand: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A credential that is good by itself; epochs and membership are still to be asked.

    `key_id` and `limits` are set for API keys, `token_id` and `authentication` for what an issuer said, and for the
    sessions that they opened; `session_id` and `roles` (as they were then) for sessions. `ends_at` is the end of a
    token of an issuer (0 = unsaid); `slack` is how far its clock may be ahead; `context` is what a context token
    carried.
    """

    organisation: str
    subject: str
    brand: str
    credential_id: str
    scopes: frozenset[str]
    issued_at: float
    key_id: str = ""
    session_id: str = ""
    token_id: str = ""
    authentication: Authentication = UNSAID
    limits: tuple[KeyLimit, ...] = ()
    roles: frozenset[str] | None = None
    ends_at: float = 0.0
    slack: float = 0.0
    context: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """What tenancy knows of a user. With any cause but NONE the rest is empty."""

    cause: Cause
    brand: str = ""
    plan: str = ""
    zone: str = "UTC"
    account_created: int = 0
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounds a request, as it goes into a token: coarse enough to be nobody's address."""

    client_address: str = ""
    origin: str = ""
    user_agent: str = ""
    challenge: str = ""

    def claims(self) -> dict[str, str]:
        """The claim `rctx`; `challenge` names the provider of a verified one."""
        found = {
            "net": network_of(self.client_address),
            "origin": self.origin,
            "agent": fingerprint(self.user_agent),
            "challenge": self.challenge,
        }
        return {name: value for name, value in found.items() if value}


def select_brand(bound: str, requested: str) -> str | None:
    """The brand to ask tenancy for; None when the credential is bound to another one."""
    if bound and requested and bound != requested:
        return None
    return requested or bound


def network_of(address: str) -> str:
    """The /24 or /48 of an address; empty for none."""
    if not address:
        return ""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip.packed, 24 if ip.version == 4 else 48), strict=False))


def fingerprint(text: str) -> str:
    """A short digest that tells two texts apart and shows neither."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""
