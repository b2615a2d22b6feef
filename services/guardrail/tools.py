"""Tool calls that a model writes, held to what its user may do. Ports in, plain values out.

A tool that the caller may not use and one that does not exist are one answer, at the same cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.guardrail.policy import arguments
from services.guardrail.policy.arguments import Named
from services.guardrail.policy.definition import Definition, DefinitionError, compiled, define
from services.guardrail.ports import Answer, Permissions, Question, ToolStore
from services.kit import pages
from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

# Asked when there is no such tool, so that the store and tenancy are asked alike whether it exists or not.
NOBODYS = "tools.call"
MANAGE = "tools.manage"
UNKNOWN_TOOL = "This tool is not available here. Use a tool from the list."
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Checked:
    """What a tool call came to: `refusal` is tenancy's answer, `repair` alone means that the arguments do not fit."""

    refusal: Answer = Answer.ALLOWED
    repair: str = ""
    sha256: str = ""
    definition_hash: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the call may be made."""
        return self.refusal is Answer.ALLOWED and not self.repair


class Tools:
    """The registry and the check."""

    def __init__(self, store: ToolStore, permissions: Permissions, most_tools: int) -> None:
        self._store = store
        self._permissions = permissions
        self._most = most_tools

    async def check(self, caller: Caller, token: str, tool: str, text: str) -> Checked:
        """May the caller make this call, with exactly this text as its arguments?"""
        found = await self._store.get(caller, tool)
        wanted = found.permission if found else NOBODYS
        read = arguments.check(compiled(found.schema), text) if found else arguments.Arguments()
        asked = [_on_brand(caller, wanted)]
        asked += [Question(wanted, named.type, named.id) for named in read.resources if named.askable]
        said = await self._permissions.ask(token, asked)
        if found is None or said[0] is not Answer.ALLOWED:
            return Checked(_refusal(said[0]), UNKNOWN_TOOL)
        if read.repair:
            return Checked(repair=read.repair, definition_hash=found.hash)
        answers = iter(said[1:])
        for named in read.resources:
            answer = next(answers) if named.askable else Answer.NOT_PERMITTED
            if answer is not Answer.ALLOWED:
                return Checked(answer, _not_yours(named), definition_hash=found.hash)
        return Checked(sha256=read.sha256, definition_hash=found.hash)

    async def describe(self, caller: Caller, token: str, tool: str) -> Definition:
        """The tool; NotFound unless the caller may use it."""
        found = await self._store.get(caller, tool)
        said = await self._permissions.ask(token, [_on_brand(caller, found.permission if found else NOBODYS)])
        if found is None or said != [Answer.ALLOWED]:
            raise NotFound("tool")
        return found

    async def list(self, caller: Caller, token: str, size: int, page: str) -> tuple[Sequence[Definition], str]:
        """A page of the tools that the caller may use: the predicate is the one of `check`."""
        try:
            after = pages.decode("tools", page)
        except pages.BadTokenError:
            raise InvalidArgument.of("page_token", "must be a token of this list") from None
        every = await self._store.permissions(caller)
        held: list[str] = []
        for start in range(0, len(every), _BATCH):
            batch = every[start : start + _BATCH]
            said = await self._permissions.ask(token, [_on_brand(caller, action) for action in batch])
            held += [action for action, answer in zip(batch, said, strict=True) if answer is Answer.ALLOWED]
        if not held:
            return (), ""
        rows = await self._store.page(caller, held, after, pages.page_size(size) + 1)
        shown = rows[: pages.page_size(size)]
        return shown, pages.encode("tools", shown[-1].tool) if len(rows) > len(shown) else ""

    async def put(self, caller: Caller, token: str, wanted: tuple[str, str, str, str]) -> Definition:
        """Registers a tool, or a new definition of it; its hash changes with every word."""
        said = await self._permissions.ask(token, [Question(MANAGE, "Organisation", caller.organisation)])
        if said != [Answer.ALLOWED]:
            raise PermissionDenied("this caller has no permission to do that", reason=_refusal(said[0]).name)
        try:
            definition = define(*wanted)
        except DefinitionError as error:
            raise InvalidArgument.of("tool.schema_json", str(error)) from None
        if not await self._store.put(caller, definition, self._most):
            raise FailedPrecondition("TOO_MANY_TOOLS", f"an organisation has at most {self._most} tools")
        return definition


def _on_brand(caller: Caller, action: str) -> Question:
    return Question(action, "Brand", caller.brand)


def _refusal(answer: Answer) -> Answer:
    return Answer.NOT_PERMITTED if answer is Answer.ALLOWED else answer


def _not_yours(named: Named) -> str:
    return f"{named.pointer or '/'}: must be the id of a {named.type} that your user may use here."
