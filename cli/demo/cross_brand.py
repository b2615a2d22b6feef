"""One brand asks another for its user: the question goes over, the answer comes back, and nothing else does."""

from __future__ import annotations

import json

from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from cli.asking import TIMEOUT, Gateway, by_context, question
from cli.demo.scenario import Report, World
from cli.words import outcome_name

MARKETING, BILLING = "acme-marketing", "acme-billing"
QUESTION = "What's my ad spend this month?"
LEDGER = {"nora": "1,240.50", "omar": "87.00"}
"""What billing knows; only billing ever reads it."""
REFUSED, TAKEN = "DENY CREDENTIAL_NOT_ACCEPTED by auth", "DENY ADMISSION_NOT_ACCEPTED by admission"


class Backend:
    """The backend of one brand: a workload with a certificate of its own."""

    def __init__(self, world: World, brand: str) -> None:
        workload = f"backend/{brand}"
        self._gateway = Gateway(world.stack.channel("gateway", workload))
        self._auth = AuthServiceStub(world.stack.channel("auth", workload))
        self._brand = brand
        self._world = world

    async def hand_over(self, user: str, to: str) -> pb.AdmitResponse:
        """Admits the user's question here, and asks for a token that carries it to another brand, once."""
        wanted = pb.ContextHandoff(target_brand=to, body=json.dumps({"question": QUESTION}).encode(), single_use=True)
        wanted.ttl.FromSeconds(60)
        asked = question(self._world.user(user), self._brand, QUESTION, conversation="ads", handoff=wanted)
        return await self._gateway.admit(asked)

    async def present(self, token: str, brand: str) -> pb.AdmitResponse:
        """Presents a token as a credential."""
        asked = question(by_context(token), brand, "A question from another brand.", conversation="from-outside")
        return await self._gateway.admit(asked)

    async def answer(self, token: str) -> tuple[pb.AdmitResponse, str]:
        """Admits the question that a token carries, and answers it to whoever the token is about."""
        admitted = await self.present(token, self._brand)
        if outcome_name(admitted.outcome) != "ALLOW" or json.loads(admitted.context)["question"] != QUESTION:
            return admitted, ""
        # Who asks is said by the token alone, never by the body: that is only what the other brand wrote. The same
        # workload may show a used token again for a moment, so this second look spends nothing.
        proven = auth_pb.AuthenticateRequest(credential=by_context(token), brand=self._brand)
        user = (await self._auth.Authenticate(proven, timeout=TIMEOUT)).principal.subject
        return admitted, (await self.complete(admitted.admission, words(LEDGER[user]))).text

    async def complete(self, admission: str, text: str) -> pb.CompleteResponse:
        """What may be shown of an answer."""
        return await self._gateway.complete(admission, text)


def words(spent: str) -> str:
    """What billing says."""
    return f"Your ad spend this month is {spent} US dollars."


async def asked_across(world: World) -> Report:
    """Both users may use both brands: what keeps them apart is the token."""
    report = Report()
    for brand in (MARKETING, BILLING):
        await world.acme.put_brand(brand)
    await world.acme.add(["nora", "omar"], [MARKETING, BILLING])
    marketing, billing = Backend(world, MARKETING), Backend(world, BILLING)
    given = await marketing.hand_over("nora", BILLING)
    token = given.context_token
    kept = await marketing.present(token, MARKETING)
    admitted, answer = await billing.answer(token)
    after = await marketing.present(token, BILLING)
    taken = await marketing.complete(admitted.admission, "What else is there?")
    report.answers += [(f"nora asks {MARKETING}: {QUESTION}", given), (f"{BILLING} takes the question over", admitted)]
    report.expect(f"at {MARKETING}", "ALLOW", outcome_name(given.outcome))
    report.expect(f"{MARKETING} is given", words(LEDGER["nora"]), answer)
    _expect_nothing(report, f"{MARKETING} presents the token itself", kept)
    _expect_nothing(report, f"{MARKETING} presents it in {BILLING}'s name", after)
    report.expect_refusal(f"{MARKETING} uses {BILLING}'s admission", taken, TAKEN)
    report.expect("nothing is given", "", taken.text)
    return report


def _expect_nothing(report: Report, what: str, answer: pb.AdmitResponse) -> None:
    report.expect_refusal(what, answer, REFUSED)
    report.expect("nothing is given", True, not (answer.context or answer.admission))
