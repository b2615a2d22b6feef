"""One brand asks another for its user: the question goes over, the answer comes back, and nothing else does."""

from __future__ import annotations

import json

from hauberk.gateway.v1 import gateway_service_pb2 as pb

from cli.asking import Gateway, by_context, question
from cli.decision import Answer
from cli.demo.scenario import Report, World
from cli.words import outcome_name

MARKETING, BILLING = "acme-marketing", "acme-billing"
QUESTION = "What's my ad spend this month?"
LEDGER = {"nora": "1,240.50", "omar": "87.00"}
"""What billing knows; only billing ever reads it."""
ANSWER = "Your ad spend this month is 1,240.50 US dollars."
REFUSED = "DENY CREDENTIAL_NOT_ACCEPTED by auth"


class Backend:
    """The backend of one brand: a workload with a certificate of its own."""

    def __init__(self, world: World, brand: str) -> None:
        self._gateway = Gateway(world.stack.channel("gateway", f"backend/{brand}"))
        self._brand = brand
        self._world = world

    async def hand_over(self, user: str, to: str) -> pb.AdmitResponse:
        """Admits the user's question here, and asks for a token that carries it to another brand, once."""
        wanted = pb.ContextHandoff(target_brand=to, body=json.dumps({"question": QUESTION}).encode(), single_use=True)
        wanted.ttl.FromSeconds(60)
        asked = question(self._world.user(user), self._brand, QUESTION, conversation="ads", handoff=wanted)
        return await self._gateway.admit(asked)

    async def take_over(self, token: str) -> tuple[pb.AdmitResponse, str]:
        """The question of whoever the token is about, and the answer for them; empty when it was refused."""
        asked = question(by_context(token), self._brand, "A question from another brand.", conversation="from-outside")
        admitted = await self._gateway.admit(asked)
        if outcome_name(admitted.outcome) != "ALLOW":
            return admitted, ""
        # Who asks is said by the token alone, never by the body: that is only what the other brand wrote.
        spent = LEDGER[admitted.principal.subject]
        if json.loads(admitted.context)["question"] != QUESTION:
            return admitted, ""
        done = await self.complete(admitted.admission, f"Your ad spend this month is {spent} US dollars.")
        return admitted, str(done.text)

    async def complete(self, admission: str, text: str) -> pb.CompleteResponse:
        """What may be shown of an answer."""
        return await self._gateway.complete(admission, text)


async def asked_across(world: World) -> Report:
    """Both users may use both brands: what keeps them apart is the token."""
    report = Report()
    for brand in (MARKETING, BILLING):
        await world.acme.put_brand(brand)
    await world.acme.add(["nora", "omar"], [MARKETING, BILLING])
    marketing, billing = Backend(world, MARKETING), Backend(world, BILLING)
    given = await marketing.hand_over("nora", BILLING)
    token = given.context_token
    kept, _ = await marketing.take_over(token)
    admitted, answer = await billing.take_over(token)
    again, _ = await marketing.take_over(token)
    stolen, _ = await Backend(world, "elsewhere").present(token, BILLING)
    report.answers += [(f"nora asks {MARKETING}: {QUESTION}", given), (f"{BILLING} takes the question over", admitted)]
    report.expect(f"at {MARKETING}", "ALLOW", outcome_name(given.outcome))
    report.expect(f"{MARKETING} sees", ANSWER, answer)
    _expect_nothing(report, f"{MARKETING} presents the token itself", kept)
    _expect_nothing(report, f"{MARKETING} presents it after {BILLING} did", again)
    _expect_nothing(report, f"another backend presents it for {BILLING}", stolen)
    used = await marketing.completes_foreign(admitted.admission)
    report.expect(f"{BILLING}'s admission, used by {MARKETING}", True, used)
    return report


def _expect_nothing(report: Report, what: str, answer: Answer) -> None:
    report.expect_refusal(what, answer, REFUSED)
    report.expect("nothing is given", True, not (answer.context or answer.admission))
