"""Pattern databases on disk: made once by `hauberk prepare`, found again by what they are made of.

The name is a checksum of the expressions, the version of Hyperscan and the kind of machine, so a new pattern, release
or processor never meets an old database. A file that others may write to, that is damaged or not there is not used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from services.redaction.policy import engines
from services.redaction.policy.engines import BadDatabase, Engine, Expression, HyperscanEngine, content_key, quickest

_SUFFIX = ".patterns"
_log = logging.getLogger("hauberk.redaction")


class PatternFiles:
    """Makes engines from the files of one folder, and otherwise in the quickest way."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def engine(self, expressions: Sequence[Expression]) -> Engine:
        """From its file; the same answers, found otherwise, when there is none to trust."""
        if self._folder is None or engines.hyperscan is None:
            return quickest(expressions)
        try:
            return HyperscanEngine(expressions, _read(self._folder / (content_key(expressions) + _SUFFIX)))
        except (OSError, BadDatabase) as error:
            _log.warning("pattern database not used, hauberk prepare makes it", extra={"reason": type(error).__name__})
            return quickest(expressions)


def make(folder: Path, expressions: Sequence[Expression]) -> bool:
    """Compiles and keeps a database; False when a good one is there already. Raises OSError."""
    path = folder / (content_key(expressions) + _SUFFIX)
    try:
        HyperscanEngine(expressions, _read(path))
    except (OSError, BadDatabase):
        body = HyperscanEngine(expressions).stored()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        fresh.replace(path)
        return True
    return False


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        # The engine trusts these bytes: whoever may write them runs code here.
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise BadDatabase("others may write to it")
        data = file.read()
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest:
        raise BadDatabase("damaged")
    return body
