"""A request for a model, understood: which words are in it, and how it is written when they have changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.edge.openai.strict import Json, Refused, write
from gateway.edge.openai.texts import Found, Text

MAX_TEXTS = 128
MAX_TEXT = 262_144
MAX_TOKENS = 1_000_000

Interface = Literal["chat", "responses"]


@dataclass(slots=True)
class Asked:
    """One request. `stated` is the client's own bound on output tokens of one answer (0 = none), kept under `bound`."""

    interface: Interface
    body: Json
    found: Found
    model: str
    stream: bool
    bound: str
    stated: int = 0
    choices: int = 1
    shows_usage: bool = True

    @property
    def texts(self) -> Sequence[Text]:
        """Places with words, in order."""
        return self.found.texts

    def check(self) -> Asked:
        """Itself; raises Refused for more than can be looked at in one go."""
        if not self.texts:
            raise Refused("invalid_value", "There is nothing to answer.", "messages")
        if len(self.texts) > MAX_TEXTS:
            raise Refused("too_many_texts", f"More than {MAX_TEXTS} texts cannot be inspected at once.")
        if any(len(text.value) > MAX_TEXT for text in self.texts):
            raise Refused("string_above_max_length", f"A text is longer than {MAX_TEXT} characters.")
        return self

    def sanitised(self, texts: Sequence[str], reserved: int, canary: str) -> bytes:
        """The body with these words in place of its own, and no more output than was reserved.

        A streamed answer is watched as it grows, so only what the client itself stated bounds it.
        """
        for place, text in zip(self.texts, texts, strict=True):
            place.put(text)
        if canary and self.found.system is not None:
            place = self.found.system
            place.put(f"{place.value}\n\n{canary}")
        cap = max(1, reserved // self.choices) if reserved else 0
        if cap and (self.stated > cap or not (self.stated or self.stream)):
            self.body[self.bound] = cap
        if self.stream and self.interface == "chat":
            self.body["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        return write(self.body)
