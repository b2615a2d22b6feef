"""`python -m bench.redaction_agreement [--texts 5000] [--data FILE]`: our detection beside Presidio's engine.

Recognizers that are wrapped must give identical spans (outermost of their kind, before any threshold), on Unicode
mutations as well. What the superseded ones accept at their default threshold must be covered by a finding of ours; what
is not is counted by the reasons of docs/decisions/0024-superseded-recognizers.md, and `unexplained` is the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import presidio_side
from bench.redaction_rows import read_rows
from bench.redaction_text import rows
from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.bootstrap import load_rules
from services.redaction.policy.context import speaks_of
from services.redaction.policy.engines import Engine, Expression, HyperscanEngine, Re2Engine
from services.redaction.policy.gates import Gates
from services.redaction.policy.model import SUPERSEDED_ENTITIES
from services.redaction.policy.scan import WORDS, scan
from services.redaction.policy.urls import FILES
from services.redaction.settings import RedactionSettings

Make = Callable[[Sequence[Expression]], Engine]
_DIGITS = ("０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९")
_INSERTS = ("\u200b", "\u00ad", "\u0301", "\u2060", "\u202e", "😀")
_SWAPS = {" ": "\u00a0\u2009\u3000", "-": "\u2011\u2010\u2212", ".": "\u3002．", "s": "ſ", "k": "K", "@": "＠"}
# Values of the wrapped kinds among the text, so that each comparison has something to find.
_MORE = (
    "IBAN GB82WEST12345698765432", "nhs 943 476 5919", "bitcoin 1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
    "ip 10.1.2.3 and ::1", "mac 00:1B:44:11:3A:B7", "https://www.example.com/x?y=1",
    "passport 912803456", "licence A1234567", "itin 912-70-1234",
    "uuid 550e8400-e29b-41d4-a716-446655440000", "bank account 945456787654", "npi 1234567893",
    "abn 51 824 753 556", "nino AB 12 34 56 C", "postcode SW1A 1AA",
    "PAN ABCDE1234F", "aadhaar 2345 6789 0124", "VIN 1HGCM82633A004352",
    "vat IT12345678901", "NIE X1234567L", "NRIC S1234567D",
    "tfn 876 543 210", "medicare 2123 45670 1", "plate KA01AB1234",
    "v1.2.3.4", "Cusip 037833100", "pesel 44051401359",
    "hetu 131052-308T",
)  # fmt: skip
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


def texts_of(seed: int, many: int) -> Iterator[str]:
    """Generated texts, every other one mutated."""
    rnd = random.Random(seed)
    for place, row in enumerate(rows(seed, many)):
        text = str(row["text"])
        if rnd.random() < 0.7:
            text = f"{text} {rnd.choice(_MORE)} {rnd.choice(_MORE)}"
        yield mutated(text, rnd) if place % 2 else text


def mutated(text: str, rnd: random.Random) -> str:
    """The text in another spelling of its characters."""
    pieces = []
    digits = rnd.choice(_DIGITS)
    for given in text:
        ch, chance = given, rnd.random()
        if given.isdigit() and given.isascii() and chance < 0.15:
            ch = digits[int(given)]
        elif given in _SWAPS and chance < 0.3:
            ch = rnd.choice(_SWAPS[given])
        pieces.append(ch + rnd.choice(_INSERTS) if chance > 0.98 else ch)
    return "".join(pieces)


def compare(texts: Sequence[str], engine: Make = Re2Engine) -> dict[str, Any]:
    """What differs; the engine says which recognizers have to look, as in the service."""
    return {"texts": len(texts), "wrapped": _wrapped(texts, engine), "superseded": _superseded(texts)}


def _wrapped(texts: Sequence[str], make: Make) -> dict[str, Any]:
    detector = PresidioDetector(30.0)
    gates = Gates(WORDS, detector.patterns(), make)
    asked = 0
    recognizers = presidio_side.wrapped(detector.findable)
    engine = presidio_side.engine(recognizers)
    entities = sorted(detector.findable)
    spans = differing = 0
    examples: Counter[str] = Counter()
    for text in texts:
        theirs = presidio_side.outermost(
            (r.entity_type, r.start, r.end)
            for r in engine.analyze(text, language="en", entities=entities, score_threshold=0)
        )
        _, open_for = gates.open_in(text, detector.findable)
        asked += len(open_for)
        ours = presidio_side.outermost((f.entity, f.start, f.end) for f in detector.find(text, open_for) if f.score > 0)
        spans += len(theirs)
        differing += theirs != ours
        examples.update(entity for entity, _, _ in theirs ^ ours)
    return {
        "recognizers": len(recognizers),
        "spans": spans,
        "texts_differing": differing,
        "by_entity": dict(examples),
        "entities_looked_for": round(asked / max(1, len(texts) * len(detector.findable)), 3),
    }


def _superseded(texts: Sequence[str]) -> dict[str, Any]:
    book = load_rules(RedactionSettings.load({}), PresidioDetector().findable)
    rules = book.rules_for("bench", "")
    engine = presidio_side.engine(presidio_side.superseded())
    spans, reasons, unexplained = 0, Counter[str](), Counter[str]()
    rules = replace(rules, entities=rules.entities | SUPERSEDED_ENTITIES)
    for text in texts:
        covered: set[int] = set()
        for finding in scan(text, rules, book.knows).findings:
            covered.update(range(finding.start, finding.end))
        results = engine.analyze(
            text, language="en", entities=sorted(SUPERSEDED_ENTITIES), score_threshold=rules.threshold
        )
        for result in results:
            spans += 1
            left = [at for at in range(result.start, result.end) if text[at].isalnum() and at not in covered]
            if not left:
                continue
            reason = reason_of(text, result.entity_type, result.start, result.end)
            if len(left) == 1 and text[left[0] - 1] in " \u00a0\u2009\u3000":
                reason = "a last figure by itself"
            (reasons if reason else unexplained)[reason or result.entity_type] += 1
    return {"spans": spans, "exceptions": dict(reasons), "unexplained": dict(unexplained)}


def reason_of(text: str, entity: str, start: int, end: int) -> str:
    """Why ours leaves it alone, in the words of the decision record; empty when nothing there says why."""
    piece = text[start:end]
    if entity == "URL":
        return _reason_of_url(text, start, end)
    if entity == "US_SSN" and piece.isdecimal() and not speaks_of("US_SSN", text, start, end):
        return "nine figures, and no word for it near"
    if entity != "PHONE_NUMBER" or speaks_of("PHONE_NUMBER", text, start, end):
        return ""
    if _QUAD.fullmatch(piece):
        return "address by numbers"
    if text[end : end + 1] == "_" or text[start - 1 : start] == "_":
        return "part of an identifier"
    return "shape of no telephone, and no word for one"


def _reason_of_url(text: str, start: int, end: int) -> str:
    after, top = text[end : end + 1], text[start:end].rpartition(".")[2]
    if "://" in text[start:end] or "/" in text[start:end]:
        return ""
    if after.isalnum() or after in ("_", "-", "(", "@"):
        return "beginning of a longer word"
    if text[start - 1 : start] in tuple("\\$/@_") or not text[start].isalnum():
        return "end of a longer name"
    if top.istitle():
        return "two sentences without a blank"
    return "name of a file" if top.lower() in FILES else ""


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.redaction_agreement", description=__doc__)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path, help="rows as for redaction-eval, instead of generated text")
    parser.add_argument("--engine", choices=("re2", "hyperscan"), default="re2", help="hyperscan: half a minute more")
    args = parser.parse_args()
    texts = [row.text for row in read_rows(args.data)] if args.data else list(texts_of(args.seed, args.texts))
    engine: Make = HyperscanEngine if args.engine == "hyperscan" else Re2Engine
    sys.stdout.write(json.dumps(compare(texts[: args.texts], engine)) + "\n")


if __name__ == "__main__":
    main()
