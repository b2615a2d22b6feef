"""A signed checkpoint as one file, the same at every anchor, and where it lies."""

from __future__ import annotations

from services.audit.policy import Signed
from services.audit.policy.checkpoint import NotACheckpointError, parse
from services.audit.policy.export import NotAnExportError, read_signed, signed_line
from services.audit.ports import AnchorBrokenError

PLATFORM = "_platform"
_DIGITS = 20


def name_of(signed: Signed) -> tuple[str, str]:
    """Folder and file name; in order by name is in order by position."""
    found = parse(signed.statement)
    return folder_of(found.organisation), f"{found.sequence:0{_DIGITS}}.json"


def folder_of(organisation: str) -> str:
    """Where a chain's checkpoints lie."""
    return organisation or PLATFORM


def sequence_of(name: str) -> int:
    """The position that a file name says; 0 for any other file."""
    stem, _, ending = name.partition(".")
    return int(stem) if ending == "json" and len(stem) == _DIGITS and stem.isascii() and stem.isdigit() else 0


def written(signed: Signed) -> bytes:
    """The bytes of the file."""
    return signed_line("checkpoint", signed)


def read(data: bytes) -> Signed:
    """The checkpoint of a file; not believed yet. Raises AnchorBrokenError."""
    try:
        signed = read_signed(data)
        parse(signed.statement)
    except (NotAnExportError, NotACheckpointError):
        raise AnchorBrokenError from None
    return signed
