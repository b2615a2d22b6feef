"""Failures of the embedded stack that a person can act on."""

from __future__ import annotations


class EmbeddedError(Exception):
    """One plain sentence for the terminal; shown without a traceback."""


class FolderInUseError(EmbeddedError):
    """Another Hauberk works in this data folder."""


class ServerFailedError(EmbeddedError):
    """A server did not come up; the message names its log file."""
