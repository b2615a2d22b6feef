"""Names and places over the contract: replaced, restored, the same over the texts of a conversation."""

from __future__ import annotations

import uuid

from tests.contract.redaction.world import World

TEXT = "My name is Anna Petrova and I live in Lisbon."


async def test_names_are_replaced_and_come_back(world: World) -> None:
    conversation = f"c-{uuid.uuid4()}"
    answer = await world.redact(conversation, TEXT, "Anna Petrova called from Lisbon again")
    assert [one.text for one in answer.texts] == [
        "My name is <PERSON> and I live in <LOCATION>.",
        "<PERSON> called from <LOCATION> again",
    ]
    assert not answer.degraded
    assert not answer.entities_not_searched
    assert (await world.restore(conversation, answer.texts[0].text)).texts[0] == TEXT
