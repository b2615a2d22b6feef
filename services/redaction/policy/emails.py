"""E-mail addresses, found from the "@" outwards: no "@", no work; private domains and international names included."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.redaction.policy.context import speaks_of
from services.redaction.policy.model import Finding

# Reads the local part backwards, so that each character is looked at once however long the run is.
_LOCAL_REVERSED = re.compile(r"[\w.!#$%&'*+\-/=?^`{|}~]+")
_DOMAIN = re.compile(r"\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)*")
_ADDRESS_LITERAL = re.compile(r"\[[0-9A-Fa-f.:IPv]{2,48}\]")
_KEY = re.compile(r"[A-Za-z_][\w.\-]*=")
_QUOTED_LIMIT = 66
_LEADING = "!#$%&'*/=?^`{|}~.-+"


def find_emails(text: str) -> Iterator[Finding]:
    """Yield every address of the text."""
    at = text.find("@")
    low = 0
    while at != -1:
        start = _local_start(text, low, at)
        end, score = _domain_end(text, at)
        if start < at and end:
            if score < 0.5 and speaks_of("EMAIL_ADDRESS", text, start, end):
                score = 0.5
            yield Finding("EMAIL_ADDRESS", start, end, score, validated=score >= 1.0)
        low = at + 1
        at = text.find("@", low)


def _local_start(text: str, low: int, at: int) -> int:
    if at and text[at - 1] == '"':
        opening = text.rfind('"', max(low, at - _QUOTED_LIMIT), at - 1)
        return opening if opening != -1 else at
    match = _LOCAL_REVERSED.match(text[low:at][::-1])
    if match is None:
        return at
    start = at - match.end()
    run = text[start:at]
    if "//" in run or "?" in run:  # a URL: the address begins after its last separator
        start += max(run.rfind(separator) for separator in "/?&") + 1
    # "contact=j.chen@..." is a key and its value, "bounce+a=b@..." is one address.
    key = _KEY.match(text, start, at)
    if key is not None:
        start = key.end()
    while start < at and text[start] in _LEADING:
        start += 1
    return start


def _domain_end(text: str, at: int) -> tuple[int, float]:
    """Where the domain ends (0: none), and how sure that makes us."""
    literal = _ADDRESS_LITERAL.match(text, at + 1)
    if literal is not None:
        return literal.end(), 0.85
    match = _DOMAIN.match(text, at + 1)
    if match is None:
        return 0, 0.0
    last = match.group().rpartition(".")
    if last[0] and len(last[2]) >= 2 and not last[2].isdigit():
        return match.end(), 1.0
    # A bare host ("root@db1") is an address only where the words around say so; a host by number likewise.
    return match.end(), 0.3
