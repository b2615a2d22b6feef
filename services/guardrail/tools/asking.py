"""Finding a tool and asking what its caller may do, in one way for every use of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.guardrail.ports import Answer, Permissions, Question, Registered, ToolStore
from services.kit.caller import Caller
from services.kit.errors import PermissionDenied

# Asked when there is no such tool, so that the store and tenancy are asked alike whether it exists or not.
NOBODYS = "tools.call"
MANAGE = "tools.manage"
APPROVE = "tools.approve"
UNKNOWN_TOOL = "This tool is not available here. Use a tool from the list."


@dataclass(frozen=True, slots=True)
class Found:
    """The tool, when the caller may use it; what tenancy said of it and of the further questions."""

    tool: Registered | None
    refusal: Answer
    answers: Sequence[Answer] = ()


def on_brand(caller: Caller, action: str) -> Question:
    """At the brand that the caller's credential is for."""
    return Question(action, "Brand", caller.brand)


def on_organisation(caller: Caller, action: str) -> Question:
    """In the caller's organisation."""
    return Question(action, "Organisation", caller.organisation)


async def visible(
    store: ToolStore, permissions: Permissions, caller: Caller, token: str, registered: Registered | None,
    more: Sequence[Question] = (),
) -> Found:  # fmt: skip
    """Whether the caller may use the tool. One that is kept from them costs what one that is not there costs."""
    action = registered.definition.permission if registered else NOBODYS
    said = await permissions.ask(token, [on_brand(caller, action), *more])
    if registered is None:
        return Found(None, Answer.NOT_PERMITTED if said[0] is Answer.ALLOWED else said[0])
    if said[0] is not Answer.ALLOWED:
        await store.get(caller, registered.definition.tool, fresh=True)  # it may have been remembered; no name is
        return Found(None, said[0])
    return Found(registered, Answer.ALLOWED, said[1:])


async def must(permissions: Permissions, token: str, question: Question) -> None:
    """Raises PermissionDenied unless the caller may."""
    (said,) = await permissions.ask(token, [question])
    if said is not Answer.ALLOWED:
        raise PermissionDenied("this caller has no permission to do that", reason=said.name)
