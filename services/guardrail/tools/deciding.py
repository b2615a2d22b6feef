"""People who approve calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.guardrail.policy.approvals import Approval, State, may_decide
from services.guardrail.ports import ApprovalStore, Permissions, Sealer
from services.guardrail.tools.asking import APPROVE, must, on_brand
from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied


class Approvals:
    """What was asked for at the caller's brand, and the word on it."""

    def __init__(self, store: ApprovalStore, permissions: Permissions, sealer: Sealer) -> None:
        self._store = store
        self._permissions = permissions
        self._sealer = sealer

    async def decide(self, caller: Caller, token: str, approval: str, *, grant: bool) -> tuple[State, float]:
        """What became of it and the end of its life. Unknown, foreign, decided and expired are one answer."""
        await must(self._permissions, token, on_brand(caller, APPROVE))
        found = await self._store.get(caller, approval)
        if found is None or found.brand != caller.brand or found.state is not State.WAITING:
            raise NotFound("approval")
        if not may_decide(found, caller.subject):
            raise PermissionDenied("somebody else must approve this call", reason="FOUR_EYES")
        state = State.GRANTED if grant else State.REFUSED
        ends = await self._store.decide(caller, approval, state)
        if not ends:
            raise NotFound("approval")
        return state, ends

    async def list(self, caller: Caller, token: str, size: int, page: str) -> tuple[Sequence[Approval], str]:
        """A page of the brand's, newest first, with the arguments of those that can still be used."""
        try:
            before = pages.decode("approvals", page)
        except pages.BadTokenError:
            raise InvalidArgument.of("page_token", "must be a token of this list") from None
        await must(self._permissions, token, on_brand(caller, APPROVE))
        rows = await self._store.page(caller, before, pages.page_size(size) + 1)
        shown = [
            replace(row, arguments=self._sealer.open(caller, row.digest, row.sealed) if row.sealed else "")
            for row in rows[: pages.page_size(size)]
        ]
        return shown, pages.encode("approvals", shown[-1].id) if len(rows) > len(shown) else ""
