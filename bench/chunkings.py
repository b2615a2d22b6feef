"""Texts of links, tags and placeholders in every spelling, restored whole and cut at random: the same either way."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from services.redaction.policy.filling import Filler, fill
from services.redaction.policy.placeholders import Slot
from services.redaction.policy.rules import parse_rules
from services.redaction.policy.sinks import Outlet, Sink
from services.redaction.settings import DEFAULT_POLICY

HOST = "shop.example"
# No piece of a value may be made of what the texts are made of, so that a delivered value is told from a text.
VALUES = {
    Slot("US_SSN", 1): "219-09-9999",
    Slot("US_SSN", 2): "321-54-9876",
    Slot("CREDIT_CARD", 1): "4532015112830366",
    Slot("EMAIL_ADDRESS", 1): '"x](https://q.example/?"@mail.example',
    Slot("PERSON", 1): "Zoë | Quill",
    Slot("LITERAL", 1): "<US_SSN_2>",
}
SPELLINGS = [
    "<us_ssn>",
    "< US_SSN_2 >",
    "&lt;US_SSN&gt;",
    "\\<US\\_SSN\\>",
    "\\<US_SSN>",
    "<US_\nSSN>",
    "<`Credit_Card`>",
    "<**PERSON**>",
    "<US SSN>",
    "&#60;EMAIL_ADDRESS&#x3e;",
    "<literal>",
    "<US_SSN_9>",
    "<us_ssn_TABCDEFGH>",
    "<US_SSN\n _2>",
    "<US_S\n  SN>",
]
PIECES = [
    *map(str, VALUES),
    *map(str, VALUES),
    *SPELLINGS,
    "<US_SSN_9>",
    "<DIV>",
    "<US",
    "_SSN>",
    "SSN",
    "us",
    "_2",
    "<",
    ">",
    " ",
    " ",
    "\n",
    "\n\n",
    "\t",
    "[",
    "]",
    "(",
    ")",
    "](",
    "]:",
    "![",
    "<img src=",
    "<a href=",
    '"',
    "'",
    "\\",
    "=",
    ":",
    "/",
    "//",
    "?q=",
    "&b=",
    ".",
    "@",
    "www.",
    "https://",
    "HTTPS://",
    "x.example",
    f"https://{HOST}/",
    "mailto:",
    "data:",
    "&lt;",
    "&gt;",
    "&",
    "&l",
    "t;",
    "#60;",
    "<script>",
    "</script>",
    "<style>",
    "</style>",
    "-",
    "_",
    "*",
    "`",
    "|",
    "\n| ",
    "word",
    "Ein Satz. ",
    "é",
    "我",
    "<https://",
    "</b>",
    "<!--",
]
# Without anything that opens a target for good: what is left is spellings, cut anywhere.
PLAIN = [
    *map(str, VALUES),
    *SPELLINGS,
    *SPELLINGS,
    "<US",
    "_SSN>",
    "SSN",
    "us ",
    "_2",
    "<",
    ">",
    " ",
    "\n",
    "\n\n",
    "\\",
    "&",
    "&l",
    "t;",
    "lt;",
    "gt;",
    "#60;",
    "-",
    "_",
    "*",
    "`",
    "| ",
    ". ",
    ".",
    "@",
    "a b c d e f g h ",
    "word",
    "é",
    "我",
]


@dataclass(slots=True)
class Proven:
    """What many chunkings came to."""

    chunkings: int = 0
    mismatches: int = 0
    restored: int = 0
    withheld: int = 0
    most_held: int = 0


@cache
def outlet(sink: Sink, *hosts: str) -> Outlet:
    """Where a text of some organisation goes under the shipped policy, with links to these hosts."""
    book = parse_rules(yaml.safe_load(DEFAULT_POLICY.read_text(encoding="utf-8")))
    return Outlet(book.knows, frozenset(hosts), book.sinks_for("acme", ""), sink)


def random_text(rnd: random.Random) -> str:
    """One text; some with a long run without a blank."""
    text = "".join(rnd.choices(PIECES if rnd.random() < 0.5 else PLAIN, k=rnd.randint(1, 40)))
    if rnd.random() < 0.05:
        text += "a" * rnd.randint(60, 9000) + "".join(rnd.choices(PIECES, k=20))
    return text


def streamed(
    text: str, values: Mapping[Slot, str], rnd: random.Random, most: int, where: Outlet, proven: Proven | None = None
) -> str:
    """The text as a stream gives it, cut at random."""
    filler = Filler(where)
    pieces, at, delivered = [], 0, 0
    while at < len(text):
        size = rnd.randint(1, most)
        parts = filler.take(text[at : at + size])
        at += size
        if proven is not None:
            delivered += sum(len(part.before) + len(part.written) for part in parts)
            proven.most_held = max(proven.most_held, min(at, len(text)) - delivered)
        pieces.append(filler.put(parts, values))
    return "".join([*pieces, filler.put(filler.take("", last=True), values)])


def prove(count: int, seed: int, proven: Proven | None = None) -> Proven:
    """Cuts `count` random texts at random places and compares with the whole; goes on counting in `proven`."""
    rnd = random.Random(seed)
    proven = proven or Proven()
    for _ in range(count):
        text = random_text(rnd)
        where = outlet(rnd.choice(list(Sink)), *((HOST,) if rnd.random() < 0.5 else ()))
        whole = fill(text, VALUES, Filler(where))
        proven.chunkings += 1
        proven.restored += whole.restored
        proven.withheld += whole.withheld
        most = rnd.choice((1, 3, 12, 400))
        proven.mismatches += streamed(text, VALUES, rnd, most, where, proven) != whole.text
    return proven
