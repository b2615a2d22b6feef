"""The operator's policy file: read at the start, and again when it has changed; what is no policy is never adopted."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import yaml

from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.rules import RuleBook, parse_rules
from services.kit.logs import logger

_EVERY_SECONDS = 1.0


def load(path: Path) -> RuleBook:
    """The rules of a file; raises PolicyError that names the key."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(f"{path.name} cannot be read ({type(error).__name__})") from None
    return parse_rules(data)


class PolicyFile:
    """The rules in force. Calling it gives them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book = load(path)
        self._seen = self._digest()

    def __call__(self) -> RuleBook:
        """The last good ones."""
        return self._book

    def look(self) -> bool:
        """Reads the file if its content changed; True when other rules are in force now."""
        digest = self._digest()
        if digest == self._seen:
            return False
        self._seen = digest
        try:
            self._book = load(self._path)
        except PolicyError:
            logger().error("guardrail.policy_refused")  # `check-config` says what is wrong; the file's words stay here
            return False
        logger().info("guardrail.policy", version=self._book.version)
        return True

    async def keep_fresh(self) -> None:
        """Runs for the life of the process."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.look()

    def _digest(self) -> bytes:
        try:
            return hashlib.blake2b(self._path.read_bytes(), digest_size=16).digest()
        except OSError:
            return b""
