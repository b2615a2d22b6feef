"""Becomes another program after giving up privileges: `python -I -S launch.py PARENT SIGNAL UID GID -- PROGRAM ARGS`.

A program of its own, because code that runs between fork and exec in a process full of threads may deadlock.
It imports the standard library only, tells the kernel to send SIGNAL when the parent dies (even by kill -9), and
gives up root first: a change of account clears that wish.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_KEEP = -1


def _process_control() -> Callable[..., int] | None:
    """The prctl call, loaded while the libraries can still be read: the account may not reach this Python."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - not present everywhere

    call: Callable[..., int] = ctypes.CDLL(None).prctl
    return call


def _drop(uid: int, gid: int) -> None:
    if uid == _KEEP:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(argv: list[str]) -> None:
    """Drop privileges, bind the life of this process to its parent, and become the program."""
    parent, signal_number, uid, gid = (int(value) for value in argv[1:5])
    program = argv[6:]
    control = _process_control()
    os.umask(0o077)
    _drop(uid, gid)
    if control is not None:
        control(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        control(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew our wish
        os._exit(1)
    os.execv(program[0], program)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(sys.argv)
