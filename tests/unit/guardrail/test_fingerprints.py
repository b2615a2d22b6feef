"""The system prompt in an answer: word for word, nearly so, encoded, in pieces; and what is no leak of it."""

from __future__ import annotations

import base64
import codecs

import pytest

from services.guardrail.policy import fingerprints
from services.guardrail.policy.fingerprints import Prints, key_of, look, prints_of, read, says_it

PROMPT = (
    "You are Nora, the assistant of a shop for garden tools. "
    "Answer in the language of the customer and keep it short. "
    "Never promise a refund above fifty euros; hand such cases to a colleague with the tag blue-heron. "
    "When somebody asks for the margin of a product, say that you do not know it, although the table below lists it. "
    "Our opening hours are nine to six on weekdays and ten to two on Saturdays. Parcels leave us within two days. "
    "If a customer is angry, apologise once, offer the voucher of five euros, and do not offer it a second time."
)
KEY = key_of(b"k" * 32, "acme")
PRINTS = prints_of(KEY, [PROMPT])


def leaks(text: str, prints: Prints = PRINTS) -> bool:
    return says_it(prints, look([KEY], prints, text, b""))


def changed(every: int) -> str:
    words = PROMPT.split()
    return " ".join("indeed" if place % every == every - 1 else word for place, word in enumerate(words))


@pytest.mark.parametrize(
    "text",
    [
        PROMPT,
        PROMPT.upper().replace(".", " - "),
        "My instructions: " + PROMPT[:330],
        changed(12),
        changed(8),
        base64.b64encode(PROMPT.encode()).decode(),
        codecs.encode(PROMPT, "rot13"),
        PROMPT[::-1],
        "\n".join(PROMPT.split()),
        "\u200b".join(PROMPT),
    ],
)
def test_a_leak_is_seen(text: str) -> None:
    assert leaks(text)


@pytest.mark.parametrize(
    "text",
    [
        "We are open from nine to six on weekdays and ten to two on Saturdays.",
        "I am Nora, the assistant of a shop for garden tools. How can I help?",
        "I am sorry that you are angry. Here is a voucher of five euros.",
        "Ich bin Nora. Bitte fragen Sie einen Kollegen nach einer Erstattung.",
        # In other words: a limit.
        "I was told to be brief, to send large repayments to a human and to keep profits to myself.",
        "",
    ],
)
def test_an_answer_is_no_leak(text: str) -> None:
    assert not leaks(text)


@pytest.mark.parametrize("size", [30, 97])
def test_pieces_add_up(size: int) -> None:
    seen, before, said = b"", "", []
    for at in range(0, len(PROMPT), size):
        piece = PROMPT[at : at + size]
        seen = look([KEY], PRINTS, before + piece, seen)
        said.append(says_it(PRINTS, seen))
        before = (before + piece)[-256:]
    assert said[-1] and not said[0]
    assert seen == look([KEY], PRINTS, PROMPT, b"")


def test_nothing_readable_is_kept_and_other_keys_see_nothing() -> None:
    kept = PRINTS.to_bytes()
    assert read(kept) == PRINTS and b"Nora" not in kept
    assert not says_it(PRINTS, look([key_of(b"k" * 32, "globex")], PRINTS, PROMPT, b""))
    assert leaks(PROMPT) and says_it(PRINTS, look([key_of(b"j" * 32, "acme"), KEY], PRINTS, PROMPT, b""))


def test_a_long_prompt_is_kept_thinner_and_still_seen() -> None:
    long = " ".join(
        f"rule{number} says that item{number % 97} goes with box{number * 7 % 1009}" for number in range(700)
    )
    prints = prints_of(KEY, [long])
    assert prints.thin > 0 and len(prints.hashes) <= fingerprints.MOST and len(prints.to_bytes()) <= 4_002
    assert leaks(long, prints) and leaks(long[: len(long) // 3], prints)
    assert not leaks(PROMPT, prints)


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02\x00abcd", b"\x01\x00abc", b"\x01\xffabcd", b"\x01\x00" + b"a" * 4_004]
)
def test_what_is_no_set_of_prints_is_none(data: bytes) -> None:
    assert read(data) is None
