"""What sessions need from outside, and how it fails. "Cannot be reached" is Unavailable, never an empty answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.auth.policy.epochs import Mark
from services.auth.policy.sessions import SessionRecord
from services.auth.ports import Digest
from services.kit.postgres import Proven


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be kept: its record and its digest."""

    record: SessionRecord
    digest: Digest


class SessionStore(Protocol):
    """Sessions. Everything but `by_digest` sees only the organisation that `proof` proves."""

    async def by_digest(self, digests: Sequence[bytes]) -> SessionRecord | None:
        """The session with one of these digests, in one round trip; None when there is none. Raises Unavailable."""
        ...

    async def open(self, proof: Proven, new: NewSession, most: int) -> bool:
        """Keeps a session; False when its user has `most` live ones already. Raises Unavailable."""
        ...

    async def find(self, proof: Proven, session_id: str) -> SessionRecord | None:
        """One session; None for unknown and foreign alike. Raises Unavailable."""
        ...

    async def replace(self, proof: Proven, old: SessionRecord, new: NewSession) -> Mark | None:
        """Ends a session, raises its epoch and keeps its successor, all together.

        None when somebody ended it before. Raises Unavailable.
        """
        ...

    async def revoke(self, proof: Proven, session_id: str, now: float) -> Mark | None:
        """Ends a session and raises its epoch, once; None when it was ended before. Raises Unavailable."""
        ...

    async def page(
        self, proof: Proven, subject: str, after: tuple[float, str] | None, size: int, now: float
    ) -> list[SessionRecord]:
        """A user's live sessions in order of creation. Raises Unavailable."""
        ...

    async def seen(self, proof: Proven, uses: Mapping[str, float]) -> None:
        """The last use of sessions by id; never moves one back. Raises Unavailable."""
        ...
