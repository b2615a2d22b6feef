"""Complete's stages: the admission again, the answer inspected, and only then the caller's own values back."""

from __future__ import annotations

from dataclasses import dataclass, field

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.guardrail.v1 import guardrail_service_pb2 as guardrail
from hauberk.redaction.v1 import redaction_service_pb2 as redaction

from gateway.clients import Services
from gateway.finaliser import Subject
from gateway.looked import Looked
from gateway.pipeline import Pipeline, Result
from gateway.stages import COMPLETE_STAGES
from services.kit.errors import Unavailable


@dataclass(slots=True)
class Answer:
    """One answer on its way back."""

    admission: str
    holder: str
    text: str
    continued: auth.ContinueResponse = field(default_factory=auth.ContinueResponse)
    restored: int = 0
    looked: Looked = field(default_factory=Looked)

    @property
    def refused(self) -> bool:
        """True when the admission itself was not accepted: it holds nothing."""
        return self.continued.outcome not in (decision.OUTCOME_UNSPECIFIED, decision.OUTCOME_ALLOW)

    def subject(self) -> Subject:
        """What the audit event is about."""
        return Subject("gateway.complete", self.continued.txn, self.continued.principal, facts=self.looked.facts())


async def go_on(services: Services, admission: str, holder: str) -> tuple[Result, auth.ContinueResponse]:
    """The admitted transaction again: the first stage of everything that comes after Admit."""
    continued = await services.go_on(admission, holder)
    return Result(continued.outcome, continued.reason), continued


class Complete:
    """The chain of Complete."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.pipeline: Pipeline[Answer] = Pipeline(
            COMPLETE_STAGES, {"admission": self._go_on, "output": self._inspect, "restore": self._restore}
        )

    async def _go_on(self, answer: Answer) -> Result:
        result, answer.continued = await go_on(self._services, answer.admission, answer.holder)
        return result

    async def _inspect(self, answer: Answer) -> Result:
        continued = answer.continued
        request = guardrail.InspectOutputRequest(
            conversation=continued.conversation, text=answer.text, prompt_prints=continued.prompt_prints
        )
        inspected = await self._services.inspect_output(continued.txn_token, request)
        answer.looked.add(inspected.checks, inspected.removed)
        answer.text = inspected.text
        return Result(inspected.outcome, inspected.reason)

    async def _restore(self, answer: Answer) -> Result:
        request = redaction.RestoreRequest(
            conversation=answer.continued.conversation,
            texts=[answer.text],
            format=redaction.RESTORE_FORMAT_MARKDOWN,
        )
        restored = await self._services.restore(answer.continued.txn_token, request)
        if len(restored.texts) != 1:
            raise Unavailable("redaction")
        answer.text, answer.restored = restored.texts[0], restored.restored
        return Result(decision.OUTCOME_ALLOW, decision.REASON_NONE)
