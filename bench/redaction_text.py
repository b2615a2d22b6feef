"""Labelled text made up by seed: `python -m bench.redaction_text --seed 1 --rows 1000 > rows.jsonl`.

Sentences as people write them to an assistant, with values in many spellings. The values are generated; no word is a
real person's. Texts with the same seed are the same.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

Make = Callable[[random.Random], str]

_FIRST = (
    "Amara Bruno Chen Dana Elif Farid Grace Hana Ivo Jonas Keiko Leila Marta Nadia Omar Priya Quentin Rosa Sven Talia"
)
_LAST = (
    "Abbott Brandt Castillo Dimitrov Eriksen Fontaine Goldberg Haddad Ivanova Jansen Kowalski Lindqvist Moreau Nakamura"
)
_TOWNS = ("Springfield, IL 62704", "Austin, TX 78701", "Portland, OR 97201", "Albany, NY 12207-1234")
_STREETS = ("Main St", "Oak Avenue", "Elm Road", "Lake View Drive", "North Park Blvd", "Cedar Lane")
_TEMPLATES = (
    "My name is {PERSON} and my SSN is {US_SSN}.",
    "Please charge card {CREDIT_CARD}, it expires {DATE_TIME}.",
    "You can reach me at {PHONE_NUMBER} or {EMAIL_ADDRESS}.",
    "Ship it to {STREET_ADDRESS}.",
    "Hi, this is {PERSON}, born {DATE_TIME}, phone: {PHONE_NUMBER}",
    "{TITLE} {PERSON} is {AGE} years old and lives at {STREET_ADDRESS}.",
    "export API_KEY={SECRET}",
    '{{"user": "{EMAIL_ADDRESS}", "password": "{SECRET}"}}',
    "The server logged in with {SECRET} from {IP_ADDRESS}.",
    "Transfer to {IBAN_CODE} by {DATE_TIME}, thanks.",
    "social security {US_SSN}\ntel {PHONE_NUMBER}\nmail {EMAIL_ADDRESS}",
    "Is {CREDIT_CARD} still the card on file? My e-mail is {EMAIL_ADDRESS}",
    "How do I sort a list of 12 items in Python 3.11?",
    "Order 83920 from the catalogue weighs 3.5 kg and costs 19.99.",
    "Summarise chapter 7 of the report, pages 10-25, in 200 words.",
)
_FIELD = re.compile(r"\{([A-Z_]+)\}|\{\{|\}\}")


def _digits(rnd: random.Random, many: int) -> str:
    return "".join(rnd.choice("0123456789") for _ in range(many))


def _ssn(rnd: random.Random) -> str:
    return f"{rnd.randint(100, 665)}{(mark := rnd.choice('-- .'))}{rnd.randint(10, 99)}{mark}{rnd.randint(1000, 9999)}"


def _card(rnd: random.Random) -> str:
    head, size = rnd.choice((("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("4", 19), ("6304", 19)))
    digits = head + _digits(rnd, size - 1 - len(head))
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[::-2])
    digits += str(-(sum(doubled) + sum(map(int, digits[-2::-2]))) % 10)
    mark = rnd.choice(("", "", "-", " ", ".", "\u00a0", "\u2011"))
    return mark.join(digits[at : at + 4] for at in range(0, size, 4))


def _phone(rnd: random.Random) -> str:
    area, exchange, line = rnd.randint(201, 989), rnd.randint(220, 989), _digits(rnd, 4)
    shapes = ("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "1-{}-{}-{}")
    return rnd.choice((*shapes, "+44 20 {1}0 {2}", "+49 30 {1}{2}")).format(area, exchange, line)


def _email(rnd: random.Random) -> str:
    name = rnd.choice(_FIRST.split()).lower()
    return f"{name}{rnd.choice(('', '.k', '+x', '42'))}@{rnd.choice(('example.com', 'mail.example.org', 'corp.local'))}"


def _date(rnd: random.Random) -> str:
    year, month, day = rnd.randint(1930, 2030), rnd.randint(1, 12), rnd.randint(1, 28)
    name = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ][month - 1]
    shapes = (
        f"{month:02}/{day:02}/{year}",
        f"{year}-{month:02}-{day:02}",
        f"{name} {day}, {year}",
        f"{day} {name} {year}",
    )
    return rnd.choice(shapes)


def _secret(rnd: random.Random) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    run = "".join(rnd.choice(letters) for _ in range(36))
    return rnd.choice((f"ghp_{run}", f"sk-ant-{run}", "AKIA" + run.upper()[:16], f"hbk_live_{run}{run[:13]}"))


_MAKE: dict[str, Make] = {
    "PERSON": lambda r: f"{r.choice(_FIRST.split())} {r.choice(_LAST.split())}",
    "US_SSN": _ssn,
    "CREDIT_CARD": _card,
    "PHONE_NUMBER": _phone,
    "EMAIL_ADDRESS": _email,
    "DATE_TIME": _date,
    "STREET_ADDRESS": lambda r: f"{r.randint(1, 9999)} {r.choice(_STREETS)}, {r.choice(_TOWNS)}",
    "TITLE": lambda r: r.choice(("Mr.", "Mrs.", "Ms.", "Dr.", "Prof.")),
    "AGE": lambda r: str(r.randint(18, 99)),
    "SECRET": _secret,
    "IP_ADDRESS": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "IBAN_CODE": lambda r: r.choice(
        ("DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606")
    ),
}


def rows(seed: int, many: int) -> Sequence[dict[str, Any]]:
    """Rows of text and spans."""
    rnd = random.Random(seed)
    return [_row(rnd, rnd.choice(_TEMPLATES)) for _ in range(many)]


def _row(rnd: random.Random, template: str) -> dict[str, Any]:
    pieces: list[str] = []
    spans: list[dict[str, Any]] = []
    done = at = 0
    for field in _FIELD.finditer(template):
        before = template[done : field.start()]
        value = _MAKE[field[1]](rnd) if field[1] else field[0][0]
        at += len(before)
        if field[1]:
            spans.append({"start": at, "end": at + len(value), "type": field[1]})
        pieces += (before, value)
        at += len(value)
        done = field.end()
    return {"text": "".join([*pieces, template[done:]]), "spans": spans}


def main() -> None:
    """Writes rows to standard output."""
    parser = argparse.ArgumentParser(prog="python -m bench.redaction_text", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    args = parser.parse_args()
    for row in rows(args.seed, args.rows):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
