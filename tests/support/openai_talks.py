"""Generated conversations with personal data in them, the answers that a model would give, and what both may see."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Any

from tests.support.model_server import Got, Reply, said, streamed

TOOL = "send_mail"
SCHEMA = json.dumps(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["to"],
        "properties": {"to": {"type": "string", "maxLength": 200}},
    }
)
PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*[A-Z](?:_\d+)?>")
# Also half of one, wherever a text was cut.
PIECE = re.compile(r"<(?:US|US_S\w*|EMAIL\w*|PHONE\w*|IBAN\w*|CREDIT\w*|IP_\w*)")
_OPENINGS = ("Hello, please help me with my account. ", "I have a question about an order. ", "Kindly check this: ")
_ENDINGS = ("What is the next step?", "Please confirm what you noted.", "Can you write that down for me?")
_WORDS = ("Thank you for the details. ", "I noted the following for the order. ", "As agreed, a < b stays as it is. ")


@dataclass(frozen=True)
class Talk:
    """One conversation. `secrets` are the values that no model may see; `whole` is what the client must read."""

    number: int
    messages: list[dict[str, Any]]
    secrets: tuple[str, ...]
    stream: bool
    tool: bool
    cut: int

    @property
    def tools(self) -> list[dict[str, Any]]:
        """As the SDK takes them."""
        function = {"name": TOOL, "description": "Sends a mail", "parameters": json.loads(SCHEMA)}
        return [{"type": "function", "function": function}]

    def answer(self, got: Got) -> Reply:
        """What the model says: everything it was told, back, in the pieces of this talk."""
        chance = random.Random(self.number)
        told = PLACEHOLDER.findall(" ".join(_texts(got)))
        text = "".join(f"{chance.choice(_WORDS)}You wrote {one}, right? " for one in told) + "Ends here."
        mail = next((one for one in told if "EMAIL" in one), "nobody")
        calls = [(TOOL, json.dumps({"to": mail}))] if self.tool else []
        if self.stream:
            return streamed(text, calls, size=chance.choice((1, 2, 5, 40)), cut=self.cut)
        return said(text, calls)


def talk(number: int) -> Talk:
    """The same for the same number."""
    chance = random.Random(number * 7919)
    ssn = f"{chance.choice((457, 219, 523))}-{chance.randint(10, 98):02}-{chance.randint(1000, 9998):04}"
    mail = (
        f"{chance.choice(('ann', 'bo', 'carla'))}.{chance.randint(100, 99999)}@example.{chance.choice(('com', 'org'))}"
    )
    card = _luhn(f"4{chance.randint(10**13, 10**14 - 1)}")
    phone = f"212-555-{chance.randint(100, 199):04}"
    own = [f"My SSN is {ssn}. ", f"Write to {mail}. ", f"My card is {card}. ", f"Call me on {phone}. "]
    mine = [own[1], *chance.sample([own[0], own[2], own[3]], chance.randint(0, 3))]
    chance.shuffle(mine)
    secrets = tuple(value for value, text in zip((ssn, mail, card, phone), own, strict=True) if text in mine)
    half = chance.randint(0, len(mine))
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are a helpful assistant of a shop."}]
    if half and chance.random() < 0.5:
        messages += [{"role": "user", "content": "".join(mine[:half])}, {"role": "assistant", "content": "Noted."}]
        mine = mine[half:]
    text = chance.choice(_OPENINGS) + "".join(mine) + chance.choice(_ENDINGS)
    parts = [{"type": "text", "text": text}] if chance.random() < 0.3 else text
    messages.append({"role": "user", "content": parts})
    return Talk(number, messages, secrets, number % 2 == 0, number % 3 == 0, chance.choice((0, 0, 1, 3, 17, 400)))


@dataclass(frozen=True)
class Heard:
    """What a client read."""

    text: str
    calls: tuple[tuple[str, str], ...]
    finish: str


def faults(talk: Talk, got: list[Got], heard: Heard) -> list[str]:
    """What is wrong with it; empty when nothing is."""
    found = []
    seen = b"".join(one.body + json.dumps(one.headers).encode() for one in got).decode()
    found += [f"the model saw {number}" for number, value in enumerate(talk.secrets) if value in seen]
    arguments = "".join(one for _, one in heard.calls)
    if PLACEHOLDER.search(heard.text + arguments) or PIECE.search(heard.text + arguments):
        found.append("a placeholder reached the client")
    missing = [value for value in talk.secrets if value not in heard.text]
    found += ["a value did not come back"] * len(missing)
    if not heard.text.endswith("Ends here."):
        found.append("the end is missing")
    if talk.tool:
        mail = next(value for value in talk.secrets if "@" in value)
        if heard.calls != ((TOOL, json.dumps({"to": mail})),) or heard.finish != "tool_calls":
            found.append("the call is not what was authorised")
    elif heard.calls or heard.finish != "stop":
        found.append("another end than the model's")
    return found


async def hold(client: Any, talk: Talk, model: str, **more: Any) -> Heard:
    """Has the conversation with the SDK."""
    more |= {"tools": talk.tools} if talk.tool else {}
    if not talk.stream:
        answer = await client.chat.completions.create(model=model, messages=talk.messages, **more)
        choice = answer.choices[0]
        calls = tuple((call.function.name, call.function.arguments) for call in choice.message.tool_calls or ())
        return Heard(choice.message.content or "", calls, choice.finish_reason)
    text, finish, made = "", "", dict[int, list[str]]()
    stream = await client.chat.completions.create(model=model, messages=talk.messages, stream=True, **more)
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or ():
                own = made.setdefault(call.index, ["", ""])
                own[0] += call.function.name or ""
                own[1] += call.function.arguments or ""
    return Heard(text, tuple((name, arguments) for name, arguments in made.values()), finish)


def _texts(got: Got) -> list[str]:
    found = []
    for message in got.json["messages"]:
        content = message.get("content") or ""
        found.append(content if isinstance(content, str) else "".join(part["text"] for part in content))
    return found


def _luhn(digits: str) -> str:
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10)) for place, digit in enumerate(reversed(digits))
    )
    return digits + str(-total % 10)
