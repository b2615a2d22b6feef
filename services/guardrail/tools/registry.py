"""The registry of an organisation's tools."""

from __future__ import annotations

from collections.abc import Sequence

from services.guardrail.policy.definition import Definition, DefinitionError, define
from services.guardrail.policy.traits import Traits
from services.guardrail.ports import Answer, Permissions, ToolStore
from services.guardrail.tools.asking import APPROVE, MANAGE, must, on_brand, on_organisation, visible
from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

_BATCH = 200


class Registry:
    """Which tools there are, for whom, in which words."""

    def __init__(self, store: ToolStore, permissions: Permissions, most_tools: int) -> None:
        self._store = store
        self._permissions = permissions
        self._most = most_tools

    async def describe(self, caller: Caller, token: str, tool: str) -> Definition:
        """The tool; NotFound unless the caller may use it."""
        found = await visible(
            self._store, self._permissions, caller, token, await self._store.get(caller, tool)
        )  # fmt: skip
        if found.tool is None:
            raise NotFound("tool")
        return found.tool.definition

    async def list(self, caller: Caller, token: str, size: int, page: str) -> tuple[Sequence[Definition], str]:
        """A page of the tools that the caller may use: the predicate is the one of a call."""
        after = _after(page)
        every = await self._store.permissions(caller)
        held: list[str] = []
        for start in range(0, len(every), _BATCH):
            batch = every[start : start + _BATCH]
            said = await self._permissions.ask(token, [on_brand(caller, action) for action in batch])
            held += [action for action, answer in zip(batch, said, strict=True) if answer is Answer.ALLOWED]
        if not held:
            return (), ""
        return _paged(await self._store.page(caller, held, after, pages.page_size(size) + 1), size)

    async def waiting(self, caller: Caller, token: str, size: int, page: str) -> tuple[Sequence[Definition], str]:
        """A page of the tools whose changed definition nobody has approved, for those who may."""
        after = _after(page)
        _needs_scope(caller)
        await must(self._permissions, token, on_organisation(caller, APPROVE))
        return _paged(await self._store.waiting(caller, after, pages.page_size(size) + 1), size)

    async def put(
        self, caller: Caller, token: str, wanted: tuple[str, str, str, str, Traits], *, approve: bool = False
    ) -> tuple[Definition, bool]:
        """Registers a tool, or a new definition of it; and whether that waits for approval."""
        await must(self._permissions, token, on_organisation(caller, MANAGE))
        if approve:
            _needs_scope(caller)
            await must(self._permissions, token, on_organisation(caller, APPROVE))
        try:
            definition = define(*wanted)
        except DefinitionError as error:
            raise InvalidArgument.of("tool.schema_json", str(error)) from None
        approved = await self._store.put(caller, definition, self._most, approve=approve)
        if approved is None:
            raise FailedPrecondition("TOO_MANY_TOOLS", f"an organisation has at most {self._most} tools")
        return definition, approved != definition.hash

    async def approve(self, caller: Caller, token: str, tool: str, definition_hash: str) -> None:
        """Approves the definition that was looked at, and no other."""
        await must(self._permissions, token, on_organisation(caller, APPROVE))
        if not await self._store.approve(caller, tool, definition_hash):
            raise NotFound("tool")


def _needs_scope(caller: Caller) -> None:
    """The RPC itself needs none, because without this wish it is everybody's."""
    if APPROVE not in caller.scopes:
        raise PermissionDenied("this caller has no permission to do that", reason=Answer.NOT_PERMITTED.name)


def _after(page: str) -> str:
    try:
        return pages.decode("tools", page)
    except pages.BadTokenError:
        raise InvalidArgument.of("page_token", "must be a token of this list") from None


def _paged(rows: Sequence[Definition], size: int) -> tuple[Sequence[Definition], str]:
    shown = rows[: pages.page_size(size)]
    return shown, pages.encode("tools", shown[-1].tool) if len(rows) > len(shown) else ""
