"""Context that moves from one brand to a second of the same organisation, and to no other."""

from __future__ import annotations

import asyncio
import base64
import json
import time

from hauberk.gateway.v1 import gateway_service_pb2 as pb

from cli.asking import by_context
from cli.decision import outer
from cli.demo.scenario import Report, World
from cli.words import outcome_name

SECOND, THIRD = "acme-shop", "acme-care"
CONTEXT = json.dumps({"order": "A-1047", "step": "payment"}).encode()
REFUSED = "DENY CREDENTIAL_NOT_ACCEPTED by auth"


async def handed_over(world: World) -> Report:
    """The user is a member of all three brands: only the token's own audience stands against the third."""
    report = Report()
    for brand in (SECOND, THIRD):
        await world.acme.put_brand(brand)
    await world.acme.add(["mira"], [world.stack.brand, SECOND, THIRD])
    given = await _hand_over(world, SECOND)
    short = await _hand_over(world, SECOND, seconds=1)
    outside = await _hand_over(world, world.stack.other.brand)
    report.expect("at the first brand, with a token for the second", "ALLOW", outcome_name(given.outcome))
    report.expect("a token for globex's brand is issued", False, bool(outside.context_token))
    report.expect("such a request is refused by", "context", outside.decided_by)

    token = given.context_token
    third = await _present(world, token, THIRD)
    tampered = await _present(world, forge(token), SECOND)
    foreign = await _present(world, token, world.stack.other.brand)
    accepted = await _present(world, token, SECOND)
    await asyncio.sleep(max(0.0, _expiry(short.context_token) - time.time() + 0.1))
    expired = await _present(world, short.context_token, SECOND)
    report.answers += [(f"{SECOND} presents the token", accepted), (f"{THIRD} presents the same token", third)]
    report.expect_outcome(accepted, "ALLOW")
    report.expect("the context arrives", CONTEXT.decode(), accepted.context.decode())
    for label, answer in (
        (f"{THIRD}, of the same organisation", third),
        (f"{world.stack.other.brand}, of another organisation", foreign),
        ("with another user written into it", tampered),
        ("after it expired", expired),
    ):
        report.expect_refusal(label, answer, REFUSED)
        report.expect("nothing is given", True, not (answer.context or answer.admission))
    report.expect("these refusals are alike but for ids and times", outer(third), outer(expired))
    report.expect("so are these", outer(tampered), outer(expired))
    return report


async def _hand_over(world: World, brand: str, seconds: int = 300) -> pb.AdmitResponse:
    wanted = pb.ContextHandoff(target_brand=brand, body=CONTEXT)
    wanted.ttl.FromSeconds(seconds)
    return await world.ask(world.user("mira"), "I would rather pay there.", handoff=wanted)


async def _present(world: World, token: str, brand: str) -> pb.AdmitResponse:
    return await world.ask(by_context(token), "Can I go on where I was?", brand)


def forge(token: str) -> str:
    """The token with another user in it, under the old signature."""
    head, body, signature = token.split(".")
    claims = {**_claims(token), "sub": "ada"}
    body = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


def _expiry(token: str) -> float:
    return float(str(_claims(token)["exp"]))


def _claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found
