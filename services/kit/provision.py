"""Makes the key files of a new installation; what exists is never touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.kit import keys
from services.kit.key_kinds import KINDS, rsa_key, signing_key, symmetric_key

__all__ = ["FIRST", "MAKERS", "ensure_keys", "rsa_key", "signing_key", "symmetric_key"]

FIRST = "0001"  # kid of a key's first version; the greatest kid whose moment has come is the active one

MAKERS: dict[str, Callable[[], bytes]] = {name: kind.make for name, kind in KINDS.items()}


def ensure_keys(folder: Path) -> list[str]:
    """Makes each key that has no version yet; returns the names of those made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name, make in MAKERS.items():
        if not any(folder.glob(f"{name}.*.key")):
            keys.write_private(folder / f"{name}.{FIRST}.key", make())
            made.append(name)
    return made
