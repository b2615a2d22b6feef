"""A user of the same organisation names a colleague's conversation, to have the colleague's values filled in."""

from __future__ import annotations

import grpc
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub

from tests.support.backend import DEADLINE, Backend, fresh, status_of

SSN = "457-55-5462"


async def test_a_colleagues_answer_stays_unfilled(backend: Backend) -> None:
    alice, bob = await backend.member(fresh("alice")), await backend.member(fresh("bob"))
    talk = fresh("talk")
    hers = await backend.admitted(alice, f"My SSN is {SSN}", conversation=talk)
    his = await backend.admitted(bob, "What did she say?", conversation=talk)

    answer = await backend.complete(his, "She said <US_SSN>.")
    assert SSN not in answer.text

    again = await backend.admitted(bob, "And now?", conversation=talk)
    shown, _ = await backend.stream(again, ["She said <US_S", "SN>."])
    assert SSN not in shown

    assert (await backend.complete(hers, "You said <US_SSN>.")).text == f"You said {SSN}."


async def test_asked_of_redaction_directly_by_another_backend(backend: Backend, thief: Backend) -> None:
    alice = await backend.member(fresh("alice"))
    talk = fresh("talk")
    await backend.admitted(alice, f"My SSN is {SSN}", conversation=talk)
    for hands in (backend, thief):
        call = RedactionServiceStub(hands.channel("redaction")).Restore(
            pb.RestoreRequest(conversation=talk, texts=["<US_SSN>"]),
            timeout=DEADLINE,
            metadata=await hands.proof(alice),
        )
        assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED, "the gateway redacted, not this backend"
