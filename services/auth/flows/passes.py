"""The pass that says to Authenticate: a challenge was verified, here, for this brand and this request, a moment ago."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from services.auth.policy.visitors import address_of
from services.auth.ports.edge import SecretSealer
from services.kit.clock import Clock

LIFE_SECONDS = 60
_LABEL, _CDATA = "pass", "cdata"
_SHAPE = re.compile(r"([a-z0-9-]{1,32})\.([1-9][0-9]{0,10})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Solved:
    """What a pass is bound to."""

    organisation: str
    brand: str
    client_address: str
    workload: str
    request_id: str


class Passes:
    """Issues and checks them; nothing is kept."""

    def __init__(self, sealer: SecretSealer, clock: Clock) -> None:
        self._sealer, self._clock = sealer, clock

    def issue(self, provider: str, solved: Solved) -> str:
        """`<provider>.<end of life>.<mac>`."""
        ends = str(int(self._clock.now()) + LIFE_SECONDS)
        return f"{provider}.{ends}.{self._marks(provider, ends, solved)[0]}"

    def provider(self, text: str, solved: Solved) -> str:
        """Whose challenge was verified; empty for a pass of anything else, or none."""
        match = _SHAPE.fullmatch(text)
        if match is None or int(match[2]) <= self._clock.now():
            return ""
        marks = self._marks(match[1], match[2], solved)
        return match[1] if any(hmac.compare_digest(match[3], mark) for mark in marks) else ""

    def cdatas(self, organisation: str, brand: str, binding: str) -> tuple[str, ...]:
        """What a widget is shown with, so that its token is good for this binding alone, the one to show first;
        nothing without a binding."""
        return self._sealer.marks(_CDATA, organisation, brand, binding) if binding else ()

    def _marks(self, provider: str, ends: str, solved: Solved) -> tuple[str, ...]:
        where = address_of(solved.client_address) if solved.client_address else ""
        return self._sealer.marks(
            _LABEL, provider, ends, solved.organisation, solved.brand, where, solved.workload, solved.request_id
        )
