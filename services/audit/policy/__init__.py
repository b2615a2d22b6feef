"""The core of audit: canonical bytes, the chain, and what may stand in an event. No input, no output."""

from services.audit.policy.canonical import NotCanonicalError, decode, encode, written
from services.audit.policy.chain import INTACT, Finding, Problem, Verification, link_hash
from services.audit.policy.model import GENESIS, Columns, Head, Link, Record, columns_of
from services.audit.policy.rules import broken

__all__ = [
    "GENESIS",
    "INTACT",
    "Columns",
    "Finding",
    "Head",
    "Link",
    "NotCanonicalError",
    "Problem",
    "Record",
    "Verification",
    "broken",
    "columns_of",
    "decode",
    "encode",
    "link_hash",
    "written",
]
