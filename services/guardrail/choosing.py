"""An organisation's own choices: read and replaced by whoever may manage its policies."""

from __future__ import annotations

from datetime import UTC, datetime

from services.guardrail.policy import own
from services.guardrail.policy.model import PolicyError
from services.guardrail.ports import Answer, ChoiceStore, Permissions, Question, StoredChoice
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, PermissionDenied

MANAGE = "policies.manage"


class Choosing:
    """Ports in, plain values out."""

    def __init__(self, store: ChoiceStore, permissions: Permissions, clock: Clock) -> None:
        self._store = store
        self._permissions = permissions
        self._clock = clock

    async def get(self, caller: Caller, token: str, brand: str) -> StoredChoice | None:
        """What is stored for a brand, empty = for every brand."""
        await self._may(caller, token)
        return await self._store.get(caller, brand)

    async def put(self, caller: Caller, token: str, brand: str, document: str, expected: int) -> int:
        """The new version; nothing changes unless the whole document holds."""
        await self._may(caller, token)
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        try:
            own.chosen(caller.organisation, brand, document, today)
        except PolicyError as error:
            raise InvalidArgument.of("policy", str(error)) from None
        version = await self._store.put(caller, brand, document, expected)
        if not version:
            raise FailedPrecondition("VERSION_CHANGED", "another version is stored; read it first")
        return version

    async def _may(self, caller: Caller, token: str) -> None:
        said = await self._permissions.ask(token, [Question(MANAGE, "Organisation", caller.organisation)])
        if said != [Answer.ALLOWED]:
            raise PermissionDenied("this caller has no permission to do that")
