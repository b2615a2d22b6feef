"""One call that a model wrote, held to what its user may do. The first thing that stands against it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from services.guardrail.policy import arguments
from services.guardrail.policy.approvals import Approval, Call, State
from services.guardrail.policy.arguments import Named
from services.guardrail.policy.calls import PASSES, Ruling, Why, rule
from services.guardrail.policy.definition import Definition, compiled
from services.guardrail.policy.taint import taint_of
from services.guardrail.policy.tool_rules import Step, ToolRules
from services.guardrail.ports import Answer, ApprovalStore, Ledger, Permissions, Question, Registered, Sealer, ToolStore
from services.guardrail.tools.asking import UNKNOWN_TOOL, visible
from services.kit.caller import Caller

WAITS = "The definition of this tool has changed and waits for approval. Use another tool."
CHANGED = "The definition of this tool has changed since you read it. Read the list of tools again."
NOT_THIS = "This approval is not for this call, or not good any more. Ask for one, or make another call."


class Against(Enum):
    """What stands against a call beside tenancy's refusals and what rules say."""

    NOTHING = "nothing"
    ARGUMENTS = "arguments"
    CHANGED = "changed"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as it came."""

    tool: str
    text: str
    definition_hash: str = ""
    conversation: str = ""
    taint: bytes = b""
    approval: str = ""
    wants_approval: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What a tool call came to; nothing may stand against it in any of the three ways."""

    refusal: Answer = Answer.ALLOWED
    against: Against = Against.NOTHING
    ruling: Ruling = PASSES
    repair: str = ""
    sha256: str = ""
    definition_hash: str = ""
    approval: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the call may be made."""
        return (
            self.refusal is Answer.ALLOWED
            and self.against is Against.NOTHING
            and self.ruling.step is Step.PASS
            and not self.repair
        )

    @property
    def needs_approval(self) -> bool:
        """Whether only a person's approval is missing."""
        return self.refusal is Answer.ALLOWED and self.against is Against.NOTHING and self.ruling.step is Step.APPROVE


class ToolCalls:
    """The check."""

    def __init__(
        self, store: ToolStore, permissions: Permissions, ledger: Ledger, approvals: ApprovalStore, sealer: Sealer,
        rules: ToolRules,
    ) -> None:  # fmt: skip
        self._store = store
        self._permissions = permissions
        self._ledger = ledger
        self._approvals = approvals
        self._sealer = sealer
        self._rules = rules

    async def check(self, caller: Caller, token: str, asked: Asked) -> Checked:
        """May the caller make this call, with exactly this text as its arguments?"""
        checked, stale = await self._once(caller, token, asked, await self._store.get(caller, asked.tool))
        if stale:  # changed a moment ago: what is there now decides
            fresh = await self._store.get(caller, asked.tool, fresh=True)
            checked, stale = await self._once(caller, token, asked, fresh)
        return Checked(against=Against.CHANGED, repair=CHANGED) if stale else checked

    async def _once(
        self, caller: Caller, token: str, asked: Asked, registered: Registered | None
    ) -> tuple[Checked, bool]:
        """The answer, and whether it rests on a definition that is not the current one."""
        read = arguments.Arguments()
        if registered is not None:
            read = arguments.check(compiled(registered.definition.schema), asked.text)
        named = [
            Question(each.action or registered.definition.permission, each.type, each.id)
            for each in read.resources
            if registered is not None and each.askable
        ]
        found = await visible(self._store, self._permissions, caller, token, registered, named)
        if found.tool is None:
            return Checked(found.refusal, repair=UNKNOWN_TOOL), False
        definition = found.tool.definition
        if not found.tool.approved:
            return Checked(against=Against.CHANGED, repair=WAITS), False
        if asked.definition_hash not in ("", definition.hash):
            return Checked(against=Against.CHANGED, repair=CHANGED, definition_hash=definition.hash), False
        if read.repair:
            return Checked(against=Against.ARGUMENTS, repair=read.repair, definition_hash=definition.hash), False
        refused = _foreign(read.resources, found.answers)
        if refused is not None:
            return Checked(refused[0], repair=refused[1], definition_hash=definition.hash), False
        return await self._rule(caller, asked, definition, read)

    async def _rule(
        self, caller: Caller, asked: Asked, definition: Definition, read: arguments.Arguments
    ) -> tuple[Checked, bool]:
        """What was done before, whose words these are, and approvals: decided in the user's turn."""
        traits, taint = definition.traits, taint_of(asked.taint)
        call = Call(asked.tool, definition.hash, read.sha256, asked.conversation)
        async with self._ledger.turn(caller) as turn:
            past, current = await turn.past(asked.tool, asked.conversation)
            if current != definition.hash:
                return Checked(), True
            ruling = rule(traits, self._rules, past, taint, read.marked)
            if ruling.step is Step.APPROVE and asked.approval:
                if not await turn.use(asked.approval, call.digest(caller)):
                    return Checked(against=Against.APPROVAL, repair=NOT_THIS, definition_hash=definition.hash), False
                ruling = PASSES
            if ruling.step is Step.PASS:
                await turn.record(asked.tool, asked.conversation, traits.labels)
                return Checked(ruling=ruling, sha256=read.sha256, definition_hash=definition.hash), False
        approval = ""
        if ruling.step is Step.APPROVE and asked.wants_approval:
            approval = await self._ask(caller, asked, definition, call, ruling.why)
        said = Checked(ruling=ruling, repair=ruling.words, definition_hash=definition.hash, approval=approval)
        return said, False

    async def _ask(self, caller: Caller, asked: Asked, definition: Definition, call: Call, why: Why) -> str:
        digest = call.digest(caller)
        wanted = Approval(
            id="",
            state=State.WAITING,
            call=call,
            digest=digest,
            user=caller.subject,
            brand=caller.brand,
            reason=why.value,
            approver=definition.traits.approver,
            requested_at=0,
            expires_at=0,
            sealed=self._sealer.seal(caller, digest, asked.text),
        )
        return await self._approvals.ask(caller, wanted, self._rules.approval_seconds, self._rules.approvals_waiting)


def _foreign(resources: Sequence[Named], answers: Sequence[Answer]) -> tuple[Answer, str] | None:
    """The first resource that is not the caller's to use."""
    left = iter(answers)
    for named in resources:
        answer = next(left, Answer.NOT_PERMITTED) if named.askable else Answer.NOT_PERMITTED
        if answer is not Answer.ALLOWED:
            return answer, f"{named.pointer or '/'}: must be the id of a {named.type} that your user may use here."
    return None
