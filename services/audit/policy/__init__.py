"""The core of audit: canonical bytes, the chain, what is signed, what may stand in an event. No input, no output."""

from services.audit.policy.canonical import NotCanonicalError, decode, encode, written
from services.audit.policy.catalogue import Catalogue, EventType
from services.audit.policy.chain import (
    INTACT,
    Finding,
    Mark,
    Problem,
    Signature,
    Statements,
    Verification,
    link_hash,
)
from services.audit.policy.checkpoint import Checkpoint, Manifest, Signed
from services.audit.policy.model import GENESIS, Columns, Head, Link, Record, columns_of
from services.audit.policy.rules import broken

__all__ = [
    "GENESIS",
    "INTACT",
    "Catalogue",
    "Checkpoint",
    "Columns",
    "EventType",
    "Finding",
    "Head",
    "Link",
    "Manifest",
    "Mark",
    "NotCanonicalError",
    "Problem",
    "Record",
    "Signature",
    "Signed",
    "Statements",
    "Verification",
    "broken",
    "columns_of",
    "decode",
    "encode",
    "link_hash",
    "written",
]
