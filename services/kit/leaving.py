"""What must not leave in a log or a span: personal values and secrets by shape, confirmed where they have a check.

The allow-lists of attributes and logs are the first line; this is behind it. A false alarm costs a record and wakes
somebody: a shape counts only where no identifier of ours can have it. Every pattern is bounded: time is linear.
What is encoded (base64, hex, split over several values) is not seen.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise


class Kind(StrEnum):
    """What was seen; never the value."""

    CARD = "card"
    US_SSN = "us_ssn"
    EMAIL = "email"
    IBAN = "iban"
    PHONE = "phone"
    API_KEY = "api_key"
    JWT = "jwt"
    PRIVATE_KEY = "private_key"
    URL_PASSWORD = "url_password"  # noqa: S105 - a kind of finding


# Ids of ours have a prefix with `_`, dashes between hex, or stand before a path: none of these begins or ends a number.
_START, _END = r"(?<![\w])(?<![0-9A-Fa-f][.\-])(?<![0-9A-Fa-f][.\-] )", r"(?!\w)(?![.\-/][0-9A-Za-z])"
_CARD = re.compile(
    rf"{_START}(?:[2-6][0-9]{{12,18}}|[2-6][0-9]{{3}}([ .\-])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}(?:\1[0-9]{{1,3}})?"
    rf"|3[47][0-9]{{2}}([ .\-])[0-9]{{6}}\2[0-9]{{5}}|3[0689][0-9]{{2}}([ .\-])[0-9]{{6}}\3[0-9]{{4}}){_END}"
)
# First digits and lengths that are given out; a time in any unit begins with 1 and is none.
_ISSUED = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}|62[0-9]{14,17}|(?:50|5[6-8]|6[379])[0-9]{14,17}"
)
_SSN = re.compile(rf"{_START}(?!000|666|9)[0-9]{{3}}([ \-])(?!00)[0-9]{{2}}\1(?!0000)[0-9]{{4}}{_END}")
_EMAIL = re.compile(r"(?<=[^\s@/:,;<>(])(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![\w])[A-Z]{2}[0-9]{2}(?:[0-9A-Z]{11,30}|(?: [0-9A-Z]{4}){2,7}(?: [0-9A-Z]{1,3})?)(?!\w)")
_IBAN_LENGTHS = (
    "NO15 BE16 DK18 FI18 FO18 GL18 NL18 MK19 SI19 AT20 BA20 EE20 KZ20 LT20 LU20 CR22 HR21 LI21 LV21 CH21 BG22 "
    "BH22 DE22 GB22 GE22 IE22 ME22 RS22 VA22 AE23 GI23 IL23 IQ23 TL23 AD24 CZ24 ES24 MD24 PK24 RO24 SA24 SE24 "
    "SK24 TN24 VG24 PT25 IS26 TR26 FR27 GR27 IT27 MC27 MR27 SM27 AL28 AZ28 CY28 DO28 GT28 HU28 LB28 PL28 BR29 "
    "PS29 QA29 UA29 JO30 KW30 MU30 MT31 SC31 LC32 "
)
_LENGTH_OF = {entry[:2]: int(entry[2:]) for entry in _IBAN_LENGTHS.split()}
_PHONE = re.compile(r"(?<![\w+/=.])\+[1-9](?:[ .\-/()]{0,2}[0-9]){7,14}(?![\w=+])")
_API_KEY = re.compile(
    r"(?<![0-9A-Za-z])(?:hbks?_(?:live|test)_[0-9A-Za-z]{16}|[a-z]{2,9}_(?:live|test)_[0-9A-Za-z]{43}"
    r"|hbi_[0-9A-Za-z]{40}|adm_[\w-]{43}|whsec_[\w+/=-]{24}"
    r"|[sr]k_(?:live|test)_[0-9A-Za-z]{10}|sk-(?=[\w-]{0,64}[0-9A-Z])[\w-]{20}|gh[opsur]_[0-9A-Za-z]{30}"
    r"|github_pat_\w{22}|glpat-[\w-]{16}|A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])|AIza[\w-]{35}|xox[abeoprs]-[0-9A-Za-z-]{10})"
    r"|(?i:\bbearer )[\w.+/~-]{16}"
)
_JWT = re.compile(r"(?<![\w.-])eyJ[\w-]{8,}\.[\w-]{8}")
_PRIVATE = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_URL_PASSWORD = re.compile(r"[a-z]://[^\s/:@?#]{0,128}:[^\s/@?#]{1,128}@")
# Without one of these its pattern cannot match: a plain search is much cheaper, and most records end here.
_API_HEADS = (
    "_live_", "_test_", "hbi_", "adm_", "whsec_", "sk-", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_",
    "glpat-", "AKIA", "ASIA", "AIza", "xox", "earer ", "EARER ",
)  # fmt: skip
_DIGITS = re.compile(r"[0-9](?:[ .\-]?[0-9]){8}")
_COUNTRY = re.compile(r"[A-Z][A-Z][0-9][0-9]")
_HEADS: tuple[tuple[Kind, tuple[str, ...], re.Pattern[str]], ...] = (
    (Kind.PRIVATE_KEY, ("-----BEGIN",), _PRIVATE),
    (Kind.JWT, ("eyJ",), _JWT),
    (Kind.API_KEY, _API_HEADS, _API_KEY),
    (Kind.URL_PASSWORD, ("://",), _URL_PASSWORD),
    (Kind.EMAIL, ("@", "%40"), _EMAIL),
    (Kind.PHONE, ("+",), _PHONE),
)


def found(text: str) -> Kind | None:
    """The first kind of value in the text that must not leave."""
    for kind, heads, pattern in _HEADS:
        for head in heads:
            if head in text:
                if pattern.search(text):
                    return kind
                break
    if _DIGITS.search(text):
        if _SSN.search(text):
            return Kind.US_SSN
        if any(_is_card(match.group()) for match in _CARD.finditer(text)):
            return Kind.CARD
    if not _COUNTRY.search(text):
        return None
    return Kind.IBAN if any(_is_iban(match.group()) for match in _IBAN.finditer(text)) else None


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]", "", text)
    if not _ISSUED.fullmatch(digits) or len(set(digits)) < 2:
        return False
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(int(digit) for digit in digits[-1::-2]) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Words in capitals may follow one that is written with spaces: it ends where its country says."""
    compact = text.replace(" ", "")
    length = _LENGTH_OF.get(compact[:2], 0)
    if not length or len(compact) < length or (len(compact) > length and " " not in text):
        return False
    ends = any(
        len(text[: at + 1].replace(" ", "")) == length for at, pair in enumerate(pairwise(text)) if pair[1] == " "
    )
    if len(compact) > length and not ends:
        return False
    turned = compact[4:length] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
