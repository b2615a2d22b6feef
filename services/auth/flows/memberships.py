"""What tenancy said a moment ago."""

from __future__ import annotations

from collections import OrderedDict

from services.auth.policy.causes import Cause
from services.auth.policy.identity import Membership
from services.auth.ports import Directory
from services.kit.clock import Clock

REMEMBERED = 10_000
CLOCKS_DIFFER = 10.0  # seconds, between PostgreSQL and this process


class Memberships:
    """Remembers memberships for a few seconds; a refusal is asked again each time."""

    def __init__(self, directory: Directory, clock: Clock, seconds: float) -> None:
        self._directory = directory
        self._clock = clock
        self._seconds = seconds
        self._known: OrderedDict[tuple[str, str, str], tuple[float, Membership]] = OrderedDict()

    def expected_brand(self, organisation: str, subject: str, brand: str) -> str:
        """The brand that `resolve` will most likely name, so that its epoch can be read with the others."""
        entry = self._known.get((organisation, subject, brand))
        return brand or (entry[1].brand if entry else "")

    async def resolve(self, organisation: str, subject: str, brand: str, revoked_at: float = 0.0) -> Membership:
        """What was learnt before a revocation at `revoked_at` is asked again: a member may have been removed then.

        Raises Unavailable when tenancy does not answer and nothing fresh is known.
        """
        question = (organisation, subject, brand)
        now = self._clock.now()
        entry = self._known.get(question)
        if entry is not None and entry[0] > now and entry[0] - self._seconds > revoked_at + CLOCKS_DIFFER:
            return entry[1]
        answer = await self._directory.resolve(organisation, subject, brand)
        if answer.cause is Cause.NONE:
            self._known[question] = (now + self._seconds, answer)
            self._known.move_to_end(question)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.pop(question, None)
        return answer

    def clear(self) -> None:
        """Forget all: the next question of each kind goes to tenancy."""
        self._known.clear()
