"""The private data folder of the embedded stack: one owner at a time, nothing readable by others.

Keys lie beside the data here. That protects against other accounts of the machine, not against its root.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType

from embedded.account import Account, can_reach, own_folder, private_file, service_account, shared_root
from embedded.errors import EmbeddedError, FolderInUseError

_MARKER = "hauberk.json"
_LAYOUT = 1
_SOCKET_ROOM = 88  # a socket address holds 104 bytes on macOS, 108 on Linux; its file name takes the rest


class DataFolder:
    """A locked data folder. Use as a context manager, or call `close` when done.

    `account` is who the servers run as (None: this user), `servers` the folder they live in.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().resolve()
        self.account: Account | None = service_account()
        _adopt(self.path)
        self._lock = _lock(self.path)
        try:
            self.instance = _instance(self.path)
            self.servers = self._place_servers()
            self._run: Path | None = None
        except BaseException:
            os.close(self._lock)
            raise

    def _place_servers(self) -> Path:
        if self.account is None:
            self.path.chmod(0o700)
            return self.path
        link = self.path / "servers"
        if not link.is_symlink() and can_reach(self.path, self.account):
            self.path.chmod(0o711)  # may be walked through, not listed; what is inside has its own 0700
            return self.path
        self.path.chmod(0o700)
        if (self.path / "postgres").exists():
            raise EmbeddedError(f"{self.path} was moved to where account {self.account.name} cannot reach it")
        place = shared_root() / self.instance
        place.mkdir(mode=0o711, exist_ok=True)
        place.chmod(0o711)
        if not link.is_symlink():
            link.symlink_to(place)
        return place

    def secret(self, name: str) -> str:
        """A random secret, made at first use and kept in a 0600 file."""
        folder = self.path / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / name
        if not file.exists():
            private_file(file, secrets.token_urlsafe(32))
        return file.read_text(encoding="utf-8")

    def log(self, name: str) -> Path:
        """Where a server writes its log; started anew when it has grown past 5 MB."""
        folder = self.path / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / f"{name}.log"
        if file.exists() and file.stat().st_size > 5_000_000:
            file.replace(file.with_suffix(".log.1"))
        return file

    def owned(self, name: str) -> Path:
        """A 0700 folder of the servers' account."""
        return own_folder(self.servers / name, self.account)

    def configure(self, name: str, text: str) -> Path:
        """Write a configuration file that a server can read and only this process can replace."""
        folder = self.servers / "conf"
        folder.mkdir(mode=0o711, exist_ok=True)
        folder.chmod(0o711)
        private_file(folder / name, text, self.account)
        return folder / name

    @property
    def run(self) -> Path:
        """Where the sockets are: in the folder, or in a short temporary one when its path is too long."""
        if self._run is None:
            inside = self.servers / "run"
            if len(os.fsencode(inside)) <= _SOCKET_ROOM:
                self._run = own_folder(inside, self.account)
            else:
                self._run = self._short_run()
        return self._run

    def _short_run(self) -> Path:
        remembered = self.path / "run.path"
        if remembered.exists():  # left by a run that was killed
            shutil.rmtree(remembered.read_text(encoding="utf-8"), ignore_errors=True)
        base = "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()  # noqa: S108 - short; mkdtemp makes it safe
        made = own_folder(Path(tempfile.mkdtemp(prefix="hauberk-", dir=base)), self.account)
        private_file(remembered, str(made))
        return made

    def close(self) -> None:
        """Let others use the folder. Stop the servers first."""
        if self._lock < 0:
            return
        if self._run is not None and self._run.parent != self.servers:
            shutil.rmtree(self._run, ignore_errors=True)
            (self.path / "run.path").unlink(missing_ok=True)
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
        self._lock = -1

    def remove(self) -> None:
        """Delete the folder with everything in it, also what lives elsewhere for it."""
        self.close()
        if self.servers != self.path:
            shutil.rmtree(self.servers)
        shutil.rmtree(self.path)

    def __enter__(self) -> DataFolder:
        return self

    def __exit__(self, _t: type[BaseException] | None, _v: BaseException | None, _tb: TracebackType | None) -> None:
        self.close()


def _adopt(path: Path) -> None:
    """Make the folder, or make sure that it is ours; never change the permissions of somebody's other folder."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
        strange = next((p for p in path.iterdir()), None) is not None and not (path / _MARKER).is_file()
    except OSError:
        raise EmbeddedError(f"the data folder {path} cannot be made or read") from None
    if strange and not (path / "lock").is_file():
        raise EmbeddedError(f"{path} is not empty and not a data folder of Hauberk: choose another one")
    if info.st_uid != os.geteuid() or not stat.S_ISDIR(info.st_mode):
        raise EmbeddedError(f"the data folder {path} belongs to another account")


def _lock(path: Path) -> int:
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(handle, 32).decode("ascii", "replace").strip()
        os.close(handle)
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise FolderInUseError(
            f"the data folder {path} is in use by {who}: stop it, or choose another folder"
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def _instance(path: Path) -> str:
    marker = path / _MARKER
    if not marker.exists():
        private_file(marker, json.dumps({"layout": _LAYOUT, "instance": secrets.token_hex(8)}))
    found: dict[str, object] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(marker.read_text(encoding="utf-8"))
    instance = found.get("instance")
    if found.get("layout") != _LAYOUT or not isinstance(instance, str) or not instance.isalnum():
        raise EmbeddedError(f"the data folder {path} was made by another version of Hauberk")
    return instance
