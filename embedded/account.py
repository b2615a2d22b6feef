"""The account the embedded servers run under, and the places that account can reach.

PostgreSQL refuses to run as root, and a database should not. Started by an ordinary user, the servers run as that
user inside the data folder. Started by root (a container, a virtual machine), they run as an unprivileged account;
where that account cannot reach the data folder or the programs (a clone under `/root`, a 0700 temporary folder), they
move to `/var/lib/hauberk` instead of loosening anybody's folder permissions.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError

SHARED_ROOT = Path("/var/lib/hauberk")
_CANDIDATES = ("hauberk", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account of the operating system."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """The account to switch to, or None when this process is not root and needs no switch."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("started as root, and there is no account to run the servers: create one named hauberk")


def can_reach(path: Path, account: Account | None) -> bool:
    """Whether the account may walk to `path` through every folder above it (by mode bits)."""
    if account is None:
        return True
    return all(_may_enter(folder.stat(), account) for folder in path.resolve().parents)


def _may_enter(info: os.stat_result, account: Account) -> bool:
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def own_folder(path: Path, account: Account | None) -> Path:
    """Make `path` a 0700 folder of the account."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(0o700)
    return path


def private_file(path: Path, text: str, account: Account | None = None) -> None:
    """Write a 0600 file in one step (a reader sees the old text or the new), owned by the account."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        if account is not None:
            os.fchown(handle, account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(handle)
    temporary.replace(path)


def shared_root() -> Path:
    """The folder that root keeps for servers which cannot live in their data folder."""
    try:
        SHARED_ROOT.mkdir(mode=0o711, parents=True, exist_ok=True)
        SHARED_ROOT.chmod(0o711)
    except OSError:
        raise EmbeddedError(
            f"started as root, and {SHARED_ROOT} cannot be written: run as an ordinary user, "
            "or choose a data folder that every account may walk to"
        ) from None
    return SHARED_ROOT


def reachable_program(installed: Path, program: str, account: Account | None) -> Path:
    """`program` inside the `installed` folder, or inside a copy of the folder at a place the account can reach."""
    found = installed / program
    if can_reach(found, account) and (account is None or _may_enter(found.stat(), account)):
        return found
    digest = hashlib.sha256()
    for file in sorted(p for p in installed.rglob("*") if p.is_file()):
        info = file.stat()
        digest.update(f"{file.relative_to(installed)} {info.st_size} {info.st_mtime_ns}\n".encode())
    copy = shared_root() / "programs" / f"{installed.name}-{digest.hexdigest()[:16]}"
    if not copy.exists():
        _copy_for_all(installed, copy)
    return copy / program


def _copy_for_all(installed: Path, copy: Path) -> None:
    copy.parent.mkdir(mode=0o711, exist_ok=True)
    copy.parent.chmod(0o711)
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
    shutil.copytree(installed, unfinished, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        unfinished.rename(copy)
    except OSError:  # another start was faster
        shutil.rmtree(unfinished)
