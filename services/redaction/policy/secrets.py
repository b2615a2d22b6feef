"""Secrets: keys by their formats, private key blocks, tokens, credentials in addresses, and what is assigned to a
name that says so. A text pays for a format only when the letters that it begins with stand in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

from services.redaction.policy.model import Finding

ENTITY = "SECRET"
_WORD = r"[A-Za-z0-9_\-]"
# How a format begins, and how it goes on. All runs are bounded or end at the first foreign character.
_FORMATS: dict[str, str] = {
    **dict.fromkeys(("AKIA", "ASIA", "ABIA", "ACCA", "AGPA", "AIDA", "AROA"), r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"[A-Za-z0-9]{30,255}"),
    "github_pat_": r"[A-Za-z0-9_]{22,255}",
    "glpat-": rf"{_WORD}{{16,}}",
    "sk-": rf"(?=[A-Za-z0-9_\-]{{0,64}}[0-9A-Z]){_WORD}{{16,}}",
    "sk_": r"(?:live|test)_[A-Za-z0-9]{10,}",
    "rk_": r"(?:live|test)_[A-Za-z0-9]{10,}",
    "whsec_": r"[A-Za-z0-9+/=]{24,}",
    "hbk_": r"(?:live|test)_[A-Za-z0-9]{16,}",
    "xox": r"[abeoprs]-[A-Za-z0-9\-]{10,}",
    "xapp-": r"[A-Za-z0-9\-]{10,}",
    "AIza": rf"{_WORD}{{35}}",
    "ya29.": rf"{_WORD}{{20,}}",
    "GOCSPX-": rf"{_WORD}{{20,}}",
    "SG.": rf"{_WORD}{{16,32}}\.{_WORD}{{32,64}}",
    "npm_": r"[A-Za-z0-9]{36}",
    "pypi-": rf"AgE{_WORD}{{40,}}",
    "hf_": r"[A-Za-z0-9]{30,}",
    "dop_v1_": r"[a-f0-9]{64}",
    "shpat_": r"[a-fA-F0-9]{32}",
    "eyJ": rf"{_WORD}{{8,}}\.{_WORD}{{8,}}(?:\.{_WORD}*){{0,3}}",
    "-----BEGIN ": r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----END ))*"
    r"(?:-----END [A-Z0-9 ]{0,50}-----)?",
}
HEADS = tuple(_FORMATS)
_TAILS = {head: re.compile(tail) for head, tail in _FORMATS.items()}
_USERINFO = re.compile(r"""[^\s/?#@"'<>]{0,256}:[^\s"'<>/?#]{1,256}(?=@)""")
_ASSIGNED = re.compile(
    r"(?P<name>(?P<pass>pass(?:word|wd|phrase|code)|pwd|\bpin(?: code| number)?\b)"
    r"|(?:secret|token|signature|credentials?|(?:api|access|account|auth|private|secret|encryption|signing|master|"
    r"shared)[ _\-]?keys?))"
    r"(?P<rest>[A-Za-z0-9_\-]{0,24})[\"'\])]{0,2}"
    r"(?P<by>\s{0,3}(?:=>?|:=?)\s{0,3}|\s(?:is|was|set to)[: ]\s{0,2})"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{3,512})(?P=quote)|(?P<bare>[^\s\"'`,;&<>]{3,512}))",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\b(?:bearer|basic)[ \t]{1,4}([A-Za-z0-9_\-.+/~]{12,4096}={0,2})", re.IGNORECASE)
_NO_VALUE = re.compile(
    r"(?:true|false|null|none|nil|undefined|required|optional|string|str|int|integer|text|hidden|empty|password|"
    r"changed|expired|invalid|incorrect|wrong|missing|needed|secret|token|\*+|x+|\.+|-+|\$.*|%.*|\{.*|\[.*|\(.*|"
    r"os\..*|process\..*|self\..*|env\..*|config\..*|https?:.*)",
    re.IGNORECASE,
)


def find_secrets(text: str, gates: Collection[str]) -> Iterator[Finding]:
    """Yield the secrets of the text; only formats whose gate is open are looked for."""
    for head, tail in _TAILS.items():
        at = text.find(head) if head in gates else -1
        while at != -1:
            match = tail.match(text, at + len(head))
            if match is not None and not _inside_word(text, at, head):
                yield Finding(ENTITY, at, match.end(), 1.0, validated=True)
                at = match.end() - 1
            at = text.find(head, at + 1)
    if "address in link" in gates:
        yield from _in_addresses(text)
    if "assigned" in gates:
        yield from _assigned(text)


def _inside_word(text: str, at: int, head: str) -> bool:
    return at > 0 and head[0].isalnum() and (text[at - 1].isalnum() or (head == "eyJ" and text[at - 1] in "_-."))


def _in_addresses(text: str) -> Iterator[Finding]:
    at = text.find("://")
    while at != -1:
        match = _USERINFO.match(text, at + 3)
        if match is not None:
            yield Finding(ENTITY, match.start(), match.end(), 0.9, validated=True)
        at = text.find("://", at + 3)


def _assigned(text: str) -> Iterator[Finding]:
    for match in _ASSIGNED.finditer(text):
        group = "quoted" if match["quoted"] else "bare"
        start, end = match.span(group)
        value = match[group]
        if group == "bare" and match["pass"] and text[max(0, match.start() - 1) : match.start()] == ";":
            # A connection string: its values go on to the next semicolon, blanks and all.
            end = next((at for at in range(end, min(len(text), end + 128)) if text[at] in ";\"'\n"), end)
        elif group == "bare":
            value = value.rstrip(".!?)]}:")
            end = start + len(value)
        if value and _is_secret(value, bool(match["pass"]), "=" in match["by"] or group == "quoted"):
            yield Finding(ENTITY, start, end, 0.6)
    for match in _HEADER.finditer(text):
        if _looks_random(match[1]):
            yield Finding(ENTITY, *match.span(1), 0.7)


def _is_secret(value: str, password: bool, assigned: bool) -> bool:
    if _NO_VALUE.fullmatch(value):
        return False
    if password:
        plain = value.isalpha() and (value.islower() or value.istitle())
        return len(value) >= 4 and (assigned or not plain)
    return len(value) >= 12 and _looks_random(value)


def _looks_random(value: str) -> bool:
    """Letters and digits mixed, and no few of them repeated: three bits a character is beyond words and names."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    if not mixed and not (len(value) >= 16 and not value.islower() and not value.isdigit()):
        return False
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in map(value.count, set(value))) >= 3.0
