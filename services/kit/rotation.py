"""Rotating keys on disk: a new version is introduced, begins later, and an old one is withdrawn when nothing needs it.

The order is what keeps calls from failing: introduce, accepted everywhere, begin, keep, withdraw. Running processes see
the files change by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.kit.clock import SystemClock
from services.kit.key_kinds import kind_of
from services.kit.key_versions import KeyMissingError, VersionedSecret, begins_at, natural, next_kid, ordered
from services.kit.keys import key_file, write_private

# How long before a version is used it is introduced. The least is what running processes need to have it: a look at
# the folder (1 s), a fetch of the public keys (3 s, and 2 s to answer), with as much again. The default leaves time to
# bring files to every host, and to outside verifiers of context tokens that keep a key set for five minutes.
SETTLE_SECONDS = 600.0
LEAST_SETTLE = 12.0
WITHDRAWN = ".retired"


class State(StrEnum):
    """Where a version is in its life."""

    WAITS = "waits"
    ACTIVE = "active"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Version:
    """One version; `needed_until` (unix seconds) is 0 unless it is kept for what it made earlier."""

    name: str
    kid: str
    state: State
    begins: float
    needed_until: float
    paths: tuple[Path, ...] = field(repr=False)


class KeyFolder:
    """Key files of one installation: in one folder, or in one for each service, with copies if need be."""

    def __init__(self, root: Path) -> None:
        """Raises KeyMissingError when there is none."""
        self._root = root
        self._folders = sorted({path.parent for path in [*root.glob("*.key"), *root.glob("*/*.key")]})
        if not self._folders:
            raise KeyMissingError(f"no key files in {root} or the folders in it")

    def names(self) -> list[str]:
        """Every name that has a version."""
        return sorted(self._files())

    def versions(self, name: str, now: float | None = None) -> Sequence[Version]:
        """From the newest to the oldest; empty for a name that is not there."""
        now = SystemClock().now() if now is None else now
        files = self._files().get(name, {})
        secrets = [VersionedSecret(kid, b"") for kid in files]
        active = ordered(secrets, now)[0].kid if secrets else ""
        found: list[Version] = []
        successor = 0.0
        for kid in sorted(files, key=natural, reverse=True):
            begins, needed = _begins(kid, files[kid]), 0.0
            state = State.ACTIVE if kid == active else State.KEPT if natural(kid) < natural(active) else State.WAITS
            keep = kind_of(name).keep_seconds
            if state is State.KEPT and keep is not None:
                needed = successor + keep
            successor = begins
            found.append(Version(name, kid, state, begins, needed, tuple(files[kid])))
        return found

    def secrets(self, name: str) -> Mapping[str, bytes]:
        """The value of each version."""
        return {kid: paths[0].read_bytes() for kid, paths in self._files().get(name, {}).items()}

    def plan(self, name: str, settle: float, now: float | None = None) -> str:
        """The name that the next version will have."""
        now = SystemClock().now() if now is None else now
        taken = [path.name.split(".")[1] for folder in self._folders for path in folder.glob(f"{name}.*.*")]
        return next_kid(taken, now + settle)

    def introduce(self, name: str, kid: str, value: bytes) -> Sequence[Path]:
        """Writes a version wherever this key lies."""
        homes = sorted({path.parent for paths in self._files()[name].values() for path in paths})
        written = [home / f"{name}.{kid}.key" for home in homes]
        for path in written:
            write_private(path, value)
        return written

    def withdraw(self, version: Version, *, erase: bool) -> None:
        """No process loads it any more; its file stays aside under another name unless it is erased."""
        for path in version.paths:
            if erase:
                path.unlink()
            else:
                path.rename(path.with_suffix(WITHDRAWN))

    def _files(self) -> dict[str, dict[str, list[Path]]]:
        found: dict[str, dict[str, list[Path]]] = {}
        for folder in self._folders:
            for path in sorted(folder.iterdir()):
                named = key_file(path)
                if named:
                    found.setdefault(named[0], {}).setdefault(named[1], []).append(path)
        return found


def _begins(kid: str, paths: Sequence[Path]) -> float:
    """A version whose name says no moment began when its file came."""
    return begins_at(kid) or min(path.stat().st_mtime for path in paths)


def objections(version: Version, now: float) -> list[str]:
    """Why a version should not be withdrawn now, by what is on disk alone; empty when nothing speaks against it."""
    kind = kind_of(version.name)
    if version.state is State.ACTIVE:
        return [f"it is the active version: {kind.needed_for} are made with it"]
    if version.state is State.KEPT and version.needed_until > now:
        left = round(version.needed_until - now)
        return [f"{kind.needed_for} made with it may live for {left} s more"]
    return []
