"""Reads the policy document from YAML; a key that stands twice is an error, as one of the two would be lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from services.kit.logs import logger
from services.ratelimit.policy import PolicyDocument, PolicyError, parse_policy


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [str(key.value) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise PolicyError(f"{name}: stands twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def load_policy(path: Path) -> PolicyDocument:
    """The checked policy of a file; raises `PolicyError` with the keys that are wrong."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError:
        raise PolicyError(f"{path.name}: cannot be read") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" near line {mark.line + 1}" if mark else ""
        raise PolicyError(f"{path.name}: is not YAML{line}") from None
    return parse_policy(data)


_EVERY_SECONDS = 1.0


class PolicyFile:
    """Watches the file of a policy that is in force. What is not a policy is never adopted: the last good one stays."""

    def __init__(self, path: Path, adopt: Callable[[PolicyDocument], None]) -> None:
        self._path = path
        self._adopt = adopt
        self._seen = b"?"  # the first look adopts what is there: it may have changed since it was read at start

    def look(self) -> bool:
        """Reads the file if its content changed; True when another policy is in force now."""
        digest = self._digest()
        if digest == self._seen:
            return False
        self._seen = digest
        try:
            document = load_policy(self._path)
        except PolicyError:
            # What is wrong with it is the operator's to ask (`check-config`): the file's words stay out of the log.
            logger().error("ratelimit.policy_refused")
            return False
        self._adopt(document)
        logger().info("ratelimit.policy", version=document.label)
        return True

    async def keep_fresh(self) -> None:
        """Runs for the life of the process."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.look()

    def _digest(self) -> bytes:
        # By content: a file may be swapped behind a link, or written twice within one tick of its clock.
        try:
            return hashlib.blake2b(self._path.read_bytes(), digest_size=16).digest()
        except OSError:
            return b""
