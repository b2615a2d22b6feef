"""Fills the templates with names of many cultures, in the spellings that chats have."""

# ruff: noqa: S311 - nothing here is a secret
from __future__ import annotations

import json
import lzma
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.ner import places, templates, words
from tools.ner.corpora import Labelled

LISTS = Path(__file__).resolve().parent / "names.json.xz"
_GAP = re.compile(r"\{(\w+)\}")
_KINDS = {"name": "PER", "first": "PER", "last": "PER", "org": "ORG"} | dict.fromkeys(
    ("city", "country", "region", "address", "street"), "LOC"
)
# Cultures whose names are written in Latin letters go into English sentences.
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff' .-]+")
_ENGLISH_SHARE = 0.35


class Writer:
    """Writes labelled texts; the same seed gives the same texts."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        with lzma.open(LISTS) as file:
            self.lists: dict[str, dict[str, list[str]]] = json.load(file)
        latin = {culture for culture, names in self.lists["first"].items() if _mostly_latin(names)}
        self._latin: list[str] = sorted(latin & set(self.lists["last"]))
        self._english: list[str] = [c for c in self._latin if c.startswith("en")]
        self._others: list[str] = sorted(set(self.lists["first"]) & set(self.lists["last"]) - latin)
        self._fill: dict[str, Callable[[str], str]] = {
            "name": self._name,
            "first": lambda c: self._one("first", c),
            "last": lambda c: self._one("last", c),
            "city": self._city,
            "country": self._country,
            "region": lambda _: self._chance.choice(places.REGIONS + places.CITIES),
            "address": self._address,
            "street": self._street,
            "org": self._org,
            "title": lambda _: self._chance.choice(words.TITLES),
            "product": lambda _: self._chance.choice(words.PRODUCTS),
            "role": lambda _: self._chance.choice(words.ROLES),
            "num": lambda _: str(self._chance.randint(1, 10 ** self._chance.randint(1, 6))),
            "money": lambda _: f"{self._chance.choice('$€£')}{self._chance.randint(1, 9000)}",
            "phone": self._phone,
            "card": lambda _: " ".join(str(self._chance.randint(1000, 9999)) for _ in range(4)),
            "email": lambda c: f"{_ascii(self._one('first', c))}.{_ascii(self._one('last', c))}@example.com",
            "url": lambda _: f"https://www.example.com/{self._chance.randint(1, 999)}",
            "date": self._date,
        }

    def texts(self, english: int, other: int, negative: int) -> list[Labelled]:
        """That many rounds of the templates."""
        written = []
        for _ in range(english):
            written += self._round("english")
        for _ in range(negative):
            written += self._round("negative")
        for _ in range(other):
            for line in templates.lines("other"):
                culture, sentence = line.split("@", 1)
                written.append(self._filled(sentence, lambda culture=culture: culture))  # type: ignore[misc]
        self._chance.shuffle(written)
        return written

    def _round(self, kind: str) -> list[Labelled]:
        return [self._varied(self._filled(line, self._culture)) for line in templates.lines(kind)]

    def renamed(self, given: Labelled) -> Labelled:
        """The same text with other people and places in it."""
        text, spans, at = "", [], 0
        culture = self._culture()
        for start, end, kind in given.spans:
            old = given.text[start:end]
            new = old
            if kind == "PER" and (" " in old or old.istitle()):
                part = self._chance.choice(("first", "last"))
                new = self._name(culture, plain=True) if " " in old else self._one(part, culture)
            elif kind == "LOC" and old.istitle():
                new = self._city(culture) if self._chance.random() < 0.7 else self._country(culture)
            text += given.text[at:start]
            spans.append((len(text), len(text) + len(new), kind))
            text += new
            at = end
        return Labelled(text + given.text[at:], tuple(spans))

    def _culture(self) -> str:
        if self._chance.random() < _ENGLISH_SHARE:
            return self._chance.choice(self._english)
        return self._chance.choice(self._latin if self._chance.random() < 0.96 else self._others)

    def _filled(self, line: str, culture: Callable[[], str]) -> Labelled:
        text, spans, at = "", [], 0
        for gap in _GAP.finditer(line):
            text += line[at : gap.start()].replace("{{", "{").replace("}}", "}")
            value = self._fill[gap.group(1)](culture())
            kind = _KINDS.get(gap.group(1))
            if kind:
                spans.append((len(text), len(text) + len(value), kind))
            text += value
            at = gap.end()
        return Labelled(text + line[at:].replace("{{", "{").replace("}}", "}"), tuple(spans))

    def _varied(self, given: Labelled) -> Labelled:
        """Sometimes as people type: all small, all capitals, without the end."""
        dice = self._chance.random()
        if dice < 0.22:
            return cased(given, str.lower)
        if dice < 0.26:
            return cased(given, str.upper)
        if dice < 0.32 and given.text.endswith("."):
            return Labelled(given.text[:-1], given.spans)
        return given

    def _one(self, kind: str, culture: str) -> str:
        cultures = self.lists[kind]
        return str(self._chance.choice(cultures.get(culture) or cultures["en_GB"]))

    def _name(self, culture: str, *, plain: bool = False) -> str:
        first, last = self._one("first", culture), self._one("last", culture)
        if culture[:2] in ("zh", "ja", "ko") and not _LATIN.fullmatch(first):
            return f"{last}{first}" if culture != "ko_KR" else f"{self._chance.choice('김이박최정강조윤장임')}{first}"
        dice = self._chance.random()
        if plain or dice < 0.74:
            return f"{first} {last}"
        if dice < 0.84:
            return f"{first} {self._chance.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if dice < 0.90:
            return f"{first} {self._one('first', culture)} {last}"
        if dice < 0.94:
            return f"{first} {last}-{self._one('last', culture)}"
        if dice < 0.97:
            return f"{first[0]}. {last}"
        return f"{first} {self._chance.choice(('van', 'de', 'von', 'al', 'bin', 'da', 'van der', 'O'))} {last}"

    def _city(self, culture: str) -> str:
        dice = self._chance.random()
        own = self.lists["place"].get(culture)
        if culture in self._latin or culture.startswith("en"):
            if dice < 0.5 or not own:
                city = self._chance.choice(places.CITIES)
                return f"{city}, {self._chance.choice(places.STATES)}" if dice < 0.08 else city
            if dice < 0.6:
                return self._one("place", "en_US")
        return self._chance.choice(own) if own else self._country("en")

    def _country(self, culture: str) -> str:
        if culture in self.lists["country"] and culture not in self._latin:
            return self._one("country", culture)
        return (
            self._chance.choice(places.COUNTRIES)
            if self._chance.random() < 0.3
            else self._chance.choice(self.lists["country"]["en"])
        )

    def _street(self, culture: str) -> str:
        number = self._chance.randint(1, 9999 if self._chance.random() < 0.5 else 200)
        name = self._one(self._chance.choice(("last", "place", "first")), culture if culture in self._latin else "en")
        if culture[:2] in ("de", "nl", "da", "sv", "no", "fi"):
            return f"{name}{self._chance.choice(words.ROADS_BEHIND)} {number}"
        if culture[:2] in ("fr", "es", "it", "pt"):
            road = self._chance.choice(words.ROADS_BEFORE)
            return f"{number} {road} {name}" if culture[:2] == "fr" else f"{road} {name} {number}"
        return f"{number} {name} {self._chance.choice(words.ROADS)}"

    def _address(self, culture: str) -> str:
        """Street, sometimes a flat, then town and code in one of several orders: one place."""
        street, city = self._street(culture), self._city(culture)
        british = f"SW{self._chance.randint(1, 20)} {self._chance.randint(1, 9)}AB"
        code = self._chance.choice((f"{self._chance.randint(1000, 99999)}", british))
        flat = f"{self._chance.choice(('Apt.', 'Apt', 'Suite', 'Flat', 'Unit'))} {self._chance.randint(1, 999)}"
        between = self._chance.choice((", ", ", ", ", ", "\n", " "))
        parts = [street]
        if self._chance.random() < 0.3:
            parts[0] += self._chance.choice((", ", " ")) + flat
        forms = (city, f"{city} {code}", f"{code} {city}", f"{city}, {self._chance.choice(places.STATES)} {code}")
        parts.append(self._chance.choice(forms))
        if self._chance.random() < 0.3:
            parts.append(self._country(culture))
        return between.join(parts)

    def _org(self, culture: str) -> str:
        last, pick, dice = self._one("last", culture), self._chance.choice, self._chance.random()
        if dice < 0.36:
            return f"{last} {pick(words.ENDS)}"
        if dice < 0.46:
            return f"{last}, {self._one('last', culture)} and {self._one('last', culture)}"
        if dice < 0.52:
            return f"{last}-{self._one('last', culture)}"
        if dice < 0.62:
            return f"{pick(('Bank of', 'University of', 'City of'))} {self._city('en')}"
        if dice < 0.72:
            return f"{self._city('en').partition(',')[0]} {pick(words.HOUSES)}"
        if dice < 0.90:
            brand = f"{pick(words.FIRST_OF_BRANDS)} {pick(words.LAST_OF_BRANDS)}"
            return f"{brand} {pick(words.ENDS)}" if dice < 0.80 else brand
        return f"{last} {pick(words.SHOPS)}" if dice < 0.96 else f"{last}'s {pick(words.SHOPS)}"

    def _phone(self, _: str) -> str:
        digits = [str(self._chance.randint(100, 999)) for _ in range(3)]
        return self._chance.choice(("-", " ", ".")).join(digits) + str(self._chance.randint(0, 9))

    def _date(self, _: str) -> str:
        day, month, year = self._chance.randint(1, 28), self._chance.randint(1, 12), self._chance.randint(1940, 2026)
        word = words.MONTHS[month - 1]
        figures = (f"{month:02d}/{day:02d}/{year}", f"{year}-{month:02d}-{day:02d}")
        return self._chance.choice((*figures, f"{word} {day}, {year}", f"{day} {word}", "Monday"))


def _mostly_latin(names: Sequence[str]) -> bool:
    return sum(_LATIN.fullmatch(name) is not None for name in names) > len(names) // 2


def cased(given: Labelled, change: Callable[[str], str]) -> Labelled:
    """The text in another case, where that keeps every position."""
    text = change(given.text)
    # Nobody tells "us" the country from "us" the people.
    spans = tuple(span for span in given.spans if text[span[0] : span[1]] != "us")
    return Labelled(text, spans) if len(text) == len(given.text) else given


def _ascii(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower()) or "user"
