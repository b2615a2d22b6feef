"""The stories, in the order in which they are told."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
import zlib

from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth_pb
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb

from cli.asking import by_jwt, by_key
from cli.decision import outer
from cli.demo.answers import exfiltrating, owner_only, streamed
from cli.demo.cross_brand import asked_across
from cli.demo.direct import behind_the_gateway
from cli.demo.handoff import handed_over
from cli.demo.scenario import Report, Scenario, World, names, verdict_of
from cli.demo.tools import foreign_tool_call, repaired
from cli.demo.trail import injected, tampered_trail
from cli.failure import Failure
from cli.words import outcome_name, wait_words

PERSONAL = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010"
SANITISED = "My SSN is <US_SSN> and credit card is <CREDIT_CARD>"
PER_MINUTE = 15
DEAR = pb.Estimate(model="claude-opus", input_tokens=100, output_tokens=40_000)  # about 3 US dollars
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


async def ordinary(world: World) -> Report:
    """Admitted; the model sees placeholders."""
    report = Report()
    answer = await world.ask(by_key(world.stack.api_key), PERSONAL)
    report.answers.append((PERSONAL, answer))
    report.expect_outcome(answer, "ALLOW")
    report.expect("the model sees", SANITISED, "".join(message.text for message in answer.messages))
    report.expect("an admission is given", True, answer.admission.startswith("adm_"))
    return report


async def foreign_brand(world: World) -> Report:
    """A brand only selects among proven memberships."""
    report = Report()
    brand = world.stack.other.brand
    answer = await world.ask(by_key(world.stack.api_key), "What did your customers ask today?", brand)
    report.answers.append((f"acme's key asks for the brand {brand}", answer))
    report.expect("outcome", "DENY", outcome_name(answer.outcome))
    report.expect("decided before anything of the brand is touched", True, answer.decided_by in {"auth", "tenancy"})
    report.expect("nothing is given", True, not (answer.messages or answer.admission))
    return report


async def bad_keys(world: World) -> Report:
    """Unknown and expired look the same from outside."""
    report = Report()
    expiring = await world.acme.expiring_key(world.stack.admin, 1)
    before = await world.ask(by_key(expiring), "hello")
    await asyncio.sleep(1.2)
    forged = await world.ask(by_key(forge(world.stack.api_key)), "hello")
    expired = await world.ask(by_key(expiring), "hello")
    report.answers += [("a forged key, of the right form and checksum", forged), ("a key that has expired", expired)]
    report.expect("the second key worked while it lived", "ALLOW", verdict_of(before))
    for answer in (forged, expired):
        report.expect_outcome(answer, "DENY CREDENTIAL_NOT_ACCEPTED by auth")
    report.expect("both answers are alike but for ids and times", outer(forged), outer(expired))
    return report


async def sixteenth(world: World) -> Report:
    """15 messages a minute for a user of a brand."""
    report = Report()
    await world.acme.add(["dana"])
    credential = by_jwt(world.stack.user_jwt("dana"))
    answers = [await world.ask(credential, f"message {number}") for number in range(1, PER_MINUTE + 2)]
    report.answers.append((f"dana's message number {PER_MINUTE + 1}", answers[-1]))
    allowed = sum(outcome_name(answer.outcome) == "ALLOW" for answer in answers[:-1])
    report.expect(f"of the first {PER_MINUTE}, allowed", PER_MINUTE, allowed)
    report.expect_outcome(answers[-1], "THROTTLE RATE_LIMITED by ratelimit")
    wait = answers[-1].retry_after.ToNanoseconds() / 1e9
    # The window slides: in the first seconds of a minute, one message's share of the next minute comes on top.
    longest = 60 * (PER_MINUTE + 1) / PER_MINUTE
    report.expect(f"the time to retry is at most {longest:.0f} s", True, 0 < wait <= longest)
    return report


async def overspent(world: World) -> Report:
    """Globex is on the plan free: 5 US dollars a day."""
    report = Report()
    await world.globex.add(["hugo", "iris"])
    answers = []
    for user in ("hugo", "iris"):
        credential = by_jwt(world.stack.user_jwt(user, organisation=world.stack.other.organisation))
        answers.append(await world.ask(credential, "Write me a book.", world.stack.other.brand, estimate=DEAR))
    first, second = answers
    report.answers.append(("iris asks for 3 US dollars more, after hugo", second))
    report.expect("hugo's 3 US dollars", "ALLOW", verdict_of(first))
    report.expect_outcome(second, "THROTTLE BUDGET_EXHAUSTED by ratelimit")
    wait = second.retry_after.ToNanoseconds() / 1e9
    midnight = 86_400 - time.time() % 86_400
    # Up to a tenth is added to a wait for midnight, so that not everybody comes back at once.
    spread = midnight / 9 + 30
    report.expect("the time to retry is midnight UTC, or a little after", True, -30 < wait - midnight < spread)
    money = [limit for limit in second.limits if limit.unit == limits_pb.UNIT_MICRO_USD]
    report.notes += [f"left of the day's budget: {limit.remaining / 1e6:.2f} US dollars" for limit in money]
    report.notes.append(f"it opens again in {wait_words(wait)}, at midnight UTC")
    return report


async def malformed(world: World) -> Report:
    """The contract refuses before any service is asked."""
    report = Report()
    wrong = pb.AdmitRequest(
        credential=auth_pb.Credential(api_key=""),
        brand="Not A Brand",
        conversation="../../etc/passwd",
        client_address="999.1.2.3",
        estimate=pb.Estimate(output_tokens=-1),
    )
    try:
        answer = await world.gateway.admit(wrong)
    except aio.AioRpcError as error:
        failure = Failure.of(error)
    else:
        report.expect("status", "INVALID_ARGUMENT", verdict_of(answer))
        return report
    report.failures.append(("five fields are wrong, and the messages are missing", failure))
    report.expect("status", "INVALID_ARGUMENT", failure.code)
    expected = (
        "brand",
        "client_address",
        "conversation",
        "credential.api_key",
        "estimate.output_tokens",
        "messages",
    )
    report.expect("wrong fields named", names(expected), names(sorted({name for name, _ in failure.fields})))
    return report


def forge(key: str) -> str:
    """A key as an attacker who knows the form would make it: right prefix and checksum, another secret."""
    stem, _, tail = key.rpartition("_")
    body = "".join(secrets.choice(_BASE62) for _ in tail[:-6])
    check, digits = zlib.crc32(f"{stem}_{body}".encode()), ""
    for _ in range(6):
        check, digit = divmod(check, 62)
        digits = _BASE62[digit] + digits
    return f"{stem}_{body}{digits}"


SCENARIOS = (
    Scenario("An ordinary question with personal data", "is admitted; the model never sees the numbers", ordinary),
    Scenario("Another organisation's brand", "is denied: the tenant comes from the credential", foreign_brand),
    Scenario("A forged and an expired key", "are refused alike: the answer tells nothing", bad_keys),
    Scenario("The 16th message of a user in a minute", "is throttled, with the time to retry", sixteenth),
    Scenario("An overspent daily budget", "refuses before the money is spent", overspent),
    Scenario("A malformed request", "is refused with each wrong field named", malformed),
    Scenario("Services called behind the gateway's back", "defend themselves", behind_the_gateway),
    Scenario("A prompt injection", "is stopped by the guardrail, answered kindly, and on record", injected),
    Scenario("The model's answer", "gives the values back to their owner, and to nobody else", owner_only),
    Scenario("A streamed answer that cuts through placeholders", "is restored all the same", streamed),
    Scenario("An answer that would carry data away", "leaves with nothing filled in", exfiltrating),
    Scenario("Context handed to a second brand", "is accepted there, and nowhere else", handed_over),
    Scenario("A question that another brand answers", "gives the answer, and nothing else of that brand", asked_across),
    Scenario("A tool call for another organisation", "is refused as the user's own call would be", foreign_tool_call),
    Scenario("A tool call with a wrong argument", "is refused in words from which a model repairs it", repaired),
    Scenario("The audit trail", "proves that nobody altered it, until somebody does", tampered_trail),
)
