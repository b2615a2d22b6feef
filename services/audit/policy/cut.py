"""A cut: up to here a chain may be gone, because it lies in an archive. Signed like a checkpoint, and never one."""

from __future__ import annotations

import json
from dataclasses import dataclass

from services.audit.policy.canonical import written
from services.audit.policy.chain import Signature
from services.audit.policy.checkpoint import Signed
from services.audit.policy.model import Head

_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Cut:
    """`archive` is the SHA-256 of the file that ends here."""

    organisation: str
    sequence: int
    hash: bytes
    archive: bytes
    at_us: int

    def statement(self) -> bytes:
        """What is signed."""
        body = {
            "v": "1",
            "cut": str(self.sequence),
            "organisation": self.organisation,
            "hash": self.hash.hex(),
            "archive": self.archive.hex(),
            "at": written(self.at_us),
        }
        return _write(body).encode()


def begins_at(signed: Signed, organisation: str, genuine: Signature) -> Head | None:
    """Where a chain goes on after a cut; None when it is not a genuine one of this chain."""
    try:
        body = json.loads(signed.statement)
        whose, head = body["organisation"], Head(int(body["cut"]), bytes.fromhex(body["hash"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return head if whose == organisation and len(head.hash) == 32 and genuine(signed) else None
