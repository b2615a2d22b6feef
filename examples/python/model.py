"""A stand-in for a language model."""

from __future__ import annotations

from collections.abc import Sequence

ANSWER = "Noted, I will write to <EMAIL_ADDRESS>."


def model(_shown: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """A fixed answer, and two tools asked for: one of them for another organisation's brand, as if talked into it."""
    calls = [
        ("brand.report", '{"brand": "acme-chat", "days": 7}'),
        ("brand.report", '{"brand": "globex-chat", "days": 7}'),
    ]
    return ANSWER, calls
