"""Which recognizers a text needs at all: one pass over it for a few hundred words and the patterns of others.

Most texts have none of the letters with which an API key begins, no word for a telephone, no month, nothing in the
shape of an IBAN. One engine finds them all at once. A gate is only ever too wide: it says that a recognizer must look,
not that there is something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from services.redaction.policy.engines import Engine, Expression, quickest
from services.redaction.policy.widening import widened

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
    # A blank stands before the kind of street, never the end of another word.
    "street": "|street |st |ave |road |rd |boulevard |blvd |lane |ln |drive |dr |court |ct |circle |cir |way |place "
    "|pl |plaza |terrace |ter |trail |trl |parkway |pkwy |highway |hwy |square |sq |crescent |cres |close "
    "|alley |loop |row |walk |mews |gardens |grove |heights |hill |pike |expressway |freeway |broadway "
    "|run |path |point |ridge |crossing |pass |bend |quay |rise |parade |esplanade |turnpike",
    "route": "rue avenue boulevard place chemin via viale piazza calle carrer rua",
    "european street": "stra str. gasse weg platz allee ring damm ufer laan gatan vej katu vägen veien via piazza "
    "calle rua avenida rue ulica ul. av. str",
    "box": "box postfach",
    "postal": "zip post",
}


# Sets of entities that are asked for together, kept ready; one more and they are made anew when asked for.
_MOST_SETS = 32


class Gates:
    """Words, and the patterns by which recognizers of others find their entities."""

    def __init__(
        self,
        words: Mapping[str, Iterable[str]],
        patterns: Mapping[str, Sequence[str]] | None = None,
        engine: Callable[[Sequence[Expression]], Engine] = quickest,
    ) -> None:
        self._words = [(word, name) for name, each in words.items() for word in each]
        self._patterns = dict(patterns or {})
        self._gated = frozenset(self._patterns)
        self._make = engine
        self._ready: dict[frozenset[str], tuple[Engine, list[str]]] = {}
        self._ready_for(frozenset())

    def open_in(self, text: str, further: frozenset[str] = frozenset()) -> tuple[set[str], frozenset[str]]:
        """Names of the open gates, and those of the `further` entities whose recognizers have to look."""
        gated = further & self._gated
        engine, names = self._ready.get(gated) or self._ready_for(gated)
        opened = {names[hit] for hit in engine.hits(text)}
        return opened, (further - gated) | (gated & opened) if gated else further

    def prepare(self, further: frozenset[str]) -> None:
        """Have the engine for these entities ready before the first text."""
        self._ready_for(further & self._gated)

    def each_of(self, sets: Iterable[frozenset[str]]) -> list[list[Expression]]:
        """What a pass looks for, for each of these sets of entities that differ in it; without any of them first."""
        gated = dict.fromkeys([frozenset[str](), *(wanted & self._gated for wanted in sets)])
        return [[expression for expression, _ in self._pairs(wanted)] for wanted in gated]

    def _ready_for(self, gated: frozenset[str]) -> tuple[Engine, list[str]]:
        pairs = self._pairs(gated)
        made = self._make([expression for expression, _ in pairs]), [name for _, name in pairs]
        if len(self._ready) >= _MOST_SETS:
            self._ready = {frozenset(): self._ready[frozenset()]}
        self._ready[gated] = made
        return made

    def _pairs(self, gated: frozenset[str]) -> list[tuple[Expression, str]]:
        found = [(Expression(word, word=True), name) for word, name in self._words]
        for entity in sorted(gated):
            found += [(Expression(widened(pattern), word=False), entity) for pattern in self._patterns[entity]]
        return found


def words_of_gates(heads: Iterable[str]) -> dict[str, list[str]]:
    """The words of every gate; each head of a secret format is a gate of its own name."""
    words = {name: [word.replace("|", " ") for word in each.split()] for name, each in _WORDS.items()}
    return words | {head: [head.lower()] for head in heads}
