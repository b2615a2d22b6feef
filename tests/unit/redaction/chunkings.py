"""Many texts of links, tags and placeholders, each cut at random: `python -m tests.unit.redaction.chunkings 20000`."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping

from services.redaction.policy.filling import Filler
from services.redaction.policy.placeholders import Slot
from tests.unit.redaction.book import restore, shipped

HOST = "shop.example"
# No piece of a value may be made of what the texts are made of, so that a delivered value is told from a text.
VALUES = {
    Slot("US_SSN", 1): "219-09-9999",
    Slot("US_SSN", 2): "321-54-9876",
    Slot("CREDIT_CARD", 1): "4532015112830366",
    Slot("EMAIL_ADDRESS", 1): '"x](https://q.example/?"@mail.example',
    Slot("PERSON", 1): "Zoë Quill",
    Slot("LITERAL", 1): "<US_SSN_2>",
}
PIECES = [
    *map(str, VALUES), *map(str, VALUES), "<US_SSN_9>", "<DIV>", "<US", "_SSN>", "<", ">", " ", " ", "\n", "\n\n", "\t",
    "[", "]", "(", ")", "](", "]:", "![", "<img src=", "<a href=", '"', "'", "\\", "=", ":", "/", "//", "?q=", "&b=",
    ".", "@", "www.", "https://", "HTTPS://", "x.example", f"https://{HOST}/", "mailto:", "data:", "&lt;",
    "<script>", "</script>", "<style>", "</style>", "-", "_", "word", "Ein Satz. ", "é", "我", "<https://", "</b>",
    "<!--",
]  # fmt: skip


def streamed(text: str, values: Mapping[Slot, str], rnd: random.Random, most: int, *hosts: str) -> str:
    """The text as a stream gives it, cut at random."""
    filler = Filler(shipped().knows, frozenset(hosts))
    pieces, at = [], 0
    while at < len(text):
        size = rnd.randint(1, most)
        pieces.append(filler.put(filler.take(text[at : at + size]), values))
        at += size
    return "".join([*pieces, filler.put(filler.take("", last=True), values)])


def prove(count: int, seed: int) -> int:
    """Cuts `count` random texts; says how many placeholders were kept back. Raises AssertionError on a difference."""
    rnd = random.Random(seed)
    withheld = 0
    for _ in range(count):
        text = "".join(rnd.choices(PIECES, k=rnd.randint(1, 40)))
        if rnd.random() < 0.05:
            text += "a" * rnd.randint(60, 9000) + "".join(rnd.choices(PIECES, k=20))
        hosts = (HOST,) if rnd.random() < 0.5 else ()
        whole = restore(text, VALUES, *hosts)
        withheld += whole.withheld
        assert streamed(text, VALUES, rnd, rnd.choice((1, 3, 12, 400)), *hosts) == whole.text, repr(text)
    return withheld


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    sys.stdout.write(f"{wanted} chunkings equal to the whole, {prove(wanted, 3)} placeholders kept back\n")
