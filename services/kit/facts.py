"""What may stand in a fact of the audit trail: identifiers and enum names, never text that a person wrote."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}")
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}")
# A card, a phone or a national id: digits and separators alone. Credentials of ours begin with their prefix.
_NUMBER = re.compile(r"(?:[.:/+-]*\d){9,}[.:/+-]*")
_SECRETS = ("hk_", "hbk_", "hbi_", "eyJ")


def is_identifier(value: str) -> bool:
    """Whether it can be a name of something: no spaces, no `@`, no quotes."""
    return _IDENTIFIER.fullmatch(value) is not None


def is_fact(value: str) -> bool:
    """Whether it may be the value of a fact; empty says that nothing is known."""
    if not value:
        return True
    return is_identifier(value) and not _NUMBER.fullmatch(value) and not value.startswith(_SECRETS)


def is_fact_name(name: str) -> bool:
    """Whether it may be the name of a fact."""
    return _NAME.fullmatch(name) is not None
