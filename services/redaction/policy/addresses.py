"""Street addresses: a house number and a street in the usual orders, with unit, town, state and postal code behind."""

# ruff: noqa: E501 - a pattern reads better in one line
from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from services.redaction.policy.model import Finding

ENTITY = "STREET_ADDRESS"
_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Way|Place|Pl|Plaza|Terrace|"
    r"Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Square|Sq|Crescent|Cres|Close|Alley|Loop|Row|Walk|Mews|Gardens|Grove|"
    r"Heights|Hill|Pike|Turnpike|Expressway|Freeway|Broadway|Run|Path|Point|Ridge|Crossing|Pass|Bend|Quay|Rise|Parade|Esplanade)"
)
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
_ZIP = r"[0-9]{5}(?:-[0-9]{4})?(?![0-9\-])"
_UK = r"[A-Z]{1,2}[0-9][A-Z0-9]?[ ]?[0-9][A-Z]{2}\b"
_POSTAL = rf"(?:{_ZIP}|{_UK}|[A-Z][0-9][A-Z][ ]?[0-9][A-Z][0-9]\b)"
_TOWN = r"[^\W\d_a-z][\w'’.\-]*(?:[ ][^\W\d_a-z][\w'’.\-]*){0,3}"
_GAP = r"(?:[ ]?,[ ]?|[ ]{1,2}|[ ]?,?[ ]?\n[ ]{0,3})"
_UNIT = (
    rf"(?:{_GAP}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Bldg|Building|No|PO Box|P\.O\. Box|PSC|\#)\.?[ ]?\#?[ ]?"
    r"[A-Z0-9][A-Za-z0-9\-]{0,6})"
)
_REST = (
    rf"(?:{_UNIT})?"
    rf"(?:{_GAP}{_TOWN}(?:{_GAP}(?:{_STATE}\b|{_TOWN}))??{_GAP}{_POSTAL}|{_GAP}{_TOWN},[ ]?{_STATE}\b(?![a-z])|{_GAP}{_POSTAL})?"
)
_NUMBER = r"(?<![\w.,/:\-$€£#])[0-9]{1,6}(?:[ ]?[A-Z]\b|[-/][0-9]{1,4}|½)?"
_HEADING = r"(?:[NSEW]|N[EW]|S[EW]|North|South|East|West)\b\.?"
_STREET_WORD = r"(?:[^\W\d_a-z][\w'’.\-]*|[0-9]{1,3}(?:st|nd|rd|th)|of|the|de|la|del)"
_AMERICAN = re.compile(
    rf"{_NUMBER},?[ ](?:{_HEADING}[ ])?(?:{_STREET_WORD}[ ]){{1,4}}?(?i:{_SUFFIX})\b\.?(?![ ]?[a-z]{{0,3}}')(?:[ ]{_HEADING}(?=\W|$))?{_REST}"
)
_ROUTE = re.compile(rf"{_NUMBER},?[ ](?i:rue|avenue|boulevard|place|chemin|via|viale|piazza|calle|carrer|rua)\b[ ](?:(?:de|du|des|la|le|les|di|della|del|do|da)[ ]){{0,2}}{_TOWN}(?:{_GAP}[0-9]{{4,5}}[ ]{_TOWN}|{_REST})")  # fmt: skip
_EUROPEAN = re.compile(
    r"\b(?:[^\W\d_a-z][\w\-]*?(?:stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|ring|damm|ufer|straat|laan|gatan|vej|katu|"
    r"vägen|veien)|(?:Via|Viale|Piazza|Calle|Rua|Avenida|Rue|Ulica|ul\.|Av\.)[ ](?:(?:de|du|des|la|le|di|della|del|do|da)[ ]){0,2}"
    rf"[^\W\d_a-z][\w'’\-]*(?:[ ][^\W\d_a-z][\w'’\-]*){{0,2}}|(?:[^\W\d_a-z][\w\-]*[ ])(?:Stra(?:ß|ss)e|Str\.|Weg|Platz|Allee))"
    rf",?[ ][0-9]{{1,4}}[ ]?[a-zA-Z]?\b(?:{_GAP}(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}(?:[ ]?[A-Z]{{2}})?[ ]{_TOWN})?"
)
_BOX = re.compile(rf"\b(?i:P\.?[ ]?O\.?[ ]?Box|Post Office Box|Postfach)[ ]?\#?[ ]?[0-9]{{1,6}}\b{_REST}")
_STATE_ZIP = re.compile(rf"(?<![A-Za-z]){_STATE}[ ]{{1,2}}{_ZIP}")
_TOWN_BEFORE = re.compile(rf"(?<!\w){_TOWN},?[ ]\Z")
_ZIP_SAID = re.compile(
    rf"\b(?i:zip(?: ?code)?|postal ?code|post ?code)\b(?i:[ ]is|[ ]of)?[ :=#]{{0,3}}(?P<code>{_POSTAL})"
)


_GATED = (
    ("street", _AMERICAN, 0.7),
    ("route", _ROUTE, 0.6),
    ("european street", _EUROPEAN, 0.6),
    ("box", _BOX, 0.7),
)
_LONGEST_TOWN = 64


def find_addresses(text: str, gates: Collection[str]) -> Iterator[Finding]:
    """Yield the addresses; the caller has made sure that the text has a digit at all."""
    for gate, pattern, score in _GATED:
        if gate in gates:
            for match in pattern.finditer(text):
                yield Finding(ENTITY, match.start(), match.end(), score)
    for match in _STATE_ZIP.finditer(text):
        low = max(0, match.start() - _LONGEST_TOWN)
        town = _TOWN_BEFORE.search(text[low : match.start()])
        yield Finding(ENTITY, low + town.start() if town else match.start(), match.end(), 0.6)
    if "postal" in gates:
        for match in _ZIP_SAID.finditer(text):
            yield Finding(ENTITY, *match.span("code"), 0.7)
