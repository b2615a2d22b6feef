"""Failures of a command that a person can act on."""

from __future__ import annotations


class CliError(Exception):
    """One plain sentence for stderr; the command ends with status 2."""
