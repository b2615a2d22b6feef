"""Which recognizers a text needs at all: one pass over it for a few hundred short words.

Most texts have none of the letters with which an API key begins, no word for a telephone, no month. Hyperscan finds all
such words in one pass (a microsecond for 2 kB); where its wheel is missing, each word is looked for by itself. A gate
is only ever too wide: it says that a recognizer must look, not that there is something.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

hyperscan: Any = None
with contextlib.suppress(ImportError):  # no wheel for this machine: the slow way gives the same
    hyperscan = importlib.import_module("hyperscan")

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WORDS: dict[str, str] = {
    "month": _MONTHS,
    "word PHONE_NUMBER": "phone tel cell mob call dial fax whats sms text|me ring hotline reach|me reach|us "
    "reach|him reach|her reach|them contact number",
    "word CREDIT_CARD": "credit debit card visa amex american|express discover jcb diners maestro cc pan cvv cvc",
    "word US_SSN": "ss social soc itin tax",
    "word DATE_TIME": "date birth born dob d.o.b exp valid due issued deadline",
    "assigned": "passw pwd passphrase passcode secret token key bearer basic credential signature pin",
    "address in link": "://",
    "title": "mr ms miss dr prof sir mx mme herr frau rev capt señor hon",
    "age after": "year yr month mos y/o y.o yo",
    "age before": "age turn i|am i'm i’m he|is he's",
    "spelled age": "years|old year-old year|old years-old years|of|age months|old month-old",
    "street": "street st ave road rd boulevard blvd lane ln drive dr court ct circle cir way place pl plaza terrace "
    "ter trail trl parkway pkwy highway hwy square sq crescent cres close alley loop row walk mews gardens grove "
    "heights hill pike expressway freeway broadway run path point ridge crossing pass bend quay rise parade "
    "esplanade turnpike",
    "route": "rue avenue boulevard place chemin via viale piazza calle carrer rua",
    "european street": "stra str. gasse weg platz allee ring damm ufer laan gatan vej katu vägen veien via piazza "
    "calle rua avenida rue ulica ul. av. str",
    "box": "box postfach",
    "postal": "zip post",
}


class Gates:
    """All words, compiled once."""

    def __init__(self, words: Mapping[str, Iterable[str]], *, plain: bool = False) -> None:
        self._pairs = [(word, name) for name, each in words.items() for word in each]
        self._names = [name for _, name in self._pairs]
        self._scratch = threading.local()
        self._database: Any = None if plain or hyperscan is None else self._compiled()

    def open_in(self, text: str) -> set[str]:
        """Names of the gates of which a word stands in the text, whatever the case."""
        if self._database is None:
            lowered = text.lower()
            return {name for word, name in self._pairs if word in lowered}
        hits: set[int] = set()
        self._scan(text.encode("utf-8", "surrogatepass"), hits.add)
        return {self._names[hit] for hit in hits}

    def _scan(self, data: bytes, add: Callable[[int], None]) -> None:
        # The pass runs without the interpreter's lock, so each thread needs its own working space.
        scratch = getattr(self._scratch, "own", None)
        if scratch is None:
            scratch = self._scratch.own = hyperscan.Scratch(self._database)
        self._database.scan(data, match_event_handler=lambda hit, *_: add(hit), scratch=scratch)

    def _compiled(self) -> Any:
        database = hyperscan.Database()
        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS
        database.compile(
            expressions=[re.escape(word).encode() for word, _ in self._pairs],
            ids=list(range(len(self._pairs))),
            flags=[flags] * len(self._pairs),
        )
        return database


def words_of_gates(heads: Iterable[str]) -> dict[str, list[str]]:
    """The words of every gate; each head of a secret format is a gate of its own name."""
    words = {name: [word.replace("|", " ") for word in each.split()] for name, each in _WORDS.items()}
    return words | {head: [head.lower()] for head in heads}
