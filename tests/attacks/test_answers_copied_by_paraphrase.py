"""Somebody asks the same thing in ever new words, to copy a model: reported; an ordinary conversation is not."""

from __future__ import annotations

from tests.support.backend import Backend, allowed, fresh
from tests.support.penalties import held_against, until_held

FRAMES = (
    "What are {}?",
    "Tell me {}.",
    "Could you explain {}?",
    "Please describe {} for me",
    "I would like to know {}",
    "Give an overview of {}",
    "Summarise {} briefly",
    "Explain {} in simple words",
    "List {} in order",
    "Describe in detail {}",
    "Outline {}",
    "Discuss {} with examples",
)
ORDINARY = (
    "Hello, I ordered a pair of running shoes last week",
    "The parcel has not arrived, can you look into that?",
    "My address changed in the meantime, how do I tell you?",
    "Which payment methods do you take in Austria?",
    "Is there a discount for students this term?",
    "Thanks, and when does the summer sale begin?",
    "Could the courier leave it with a neighbour?",
    "One more thing: may I return the socks unworn?",
    "Great, please send me the receipt once more",
    "Do you also repair older models of that shoe?",
)


async def test_paraphrases_are_noticed(backend: Backend) -> None:
    eve = await backend.member(fresh("eve"))
    for frame in FRAMES:
        await backend.admit(eve, frame.format("the differences between bagging and boosting in decision trees"))
    held = await until_held(backend, eve, lambda held: "user_brand" in held)
    assert [(count.kind, count.count) for count in held["user_brand"].counts] == [("model_extraction", 1)]
    assert held["user_brand"].score_permille >= 145


async def test_an_ordinary_conversation_is_not(backend: Backend) -> None:
    ada = await backend.member(fresh("ada"))
    for text in ORDINARY:
        assert allowed(await backend.admit(ada, text))
    assert await held_against(backend, ada) == {}


async def test_a_question_sent_again_and_again_is_not(backend: Backend) -> None:
    """A client that tries again is the rate's business."""
    ada = await backend.member(fresh("ada"))
    for _ in range(14):
        await backend.admit(ada, ORDINARY[1])
    assert await held_against(backend, ada) == {}
