"""A strict reader of Lists of Items with Parameters (RFC 9651), written apart from what writes them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

Value = str | int | bytes | bool

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_INTEGER = re.compile(r"-?\d{1,15}(?![\d.])")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")


class Malformed(ValueError):
    """The whole field is thrown away, as the RFC demands."""


@dataclass(frozen=True)
class Token:
    """A bare word."""

    word: str


@dataclass(frozen=True)
class Item:
    """A value and its parameters."""

    value: Value | Token
    parameters: dict[str, Value | Token]


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def skip(self, blanks: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in blanks:
            self.at += 1

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise Malformed(self.rest)
        self.at = found.end()
        return found

    def string(self) -> str:
        self.at += 1
        out = ""
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter == '"':
                return out
            if letter == "\\":
                letter = self.text[self.at : self.at + 1]
                self.at += 1
                if letter not in ('"', "\\"):
                    raise Malformed("escape")
            elif not " " <= letter <= "~":
                raise Malformed("character")
            out += letter
        raise Malformed("open string")

    def bare(self) -> Value | Token:
        first = self.rest[:1]
        if first == '"':
            return self.string()
        if first == ":":
            return base64.b64decode(self.match(_BYTES)[1], validate=True)
        if first == "-" or first.isdigit():
            return int(self.match(_INTEGER)[0])
        if first == "?":
            self.at += 2
            return self.text[self.at - 1] == "1"
        return Token(self.match(_TOKEN)[0])

    def item(self) -> Item:
        value, parameters = self.bare(), {}
        while self.rest[:1] == ";":
            self.at += 1
            self.skip(" ")
            key = self.match(_KEY)[0]
            given: Value | Token = True
            if self.rest[:1] == "=":
                self.at += 1
                given = self.bare()
            parameters[key] = given
        return Item(value, parameters)


def read_list(text: str) -> list[Item]:
    """The members; raises Malformed."""
    reader = _Reader(text.strip(" "))
    members = []
    while reader.rest:
        members.append(reader.item())
        reader.skip(" \t")
        if not reader.rest:
            return members
        if reader.rest[:1] != ",":
            raise Malformed(reader.rest)
        reader.at += 1
        reader.skip(" \t")
        if not reader.rest:
            raise Malformed("a comma at the end")
    return members


def written(members: list[Item]) -> str:
    """Back to text, as the RFC serialises it."""
    return ", ".join(_item(member) for member in members)


def _item(member: Item) -> str:
    return _bare(member.value) + "".join(f";{key}={_bare(value)}" for key, value in member.parameters.items())


def _bare(value: Value | Token) -> str:
    if isinstance(value, Token):
        return value.word
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
