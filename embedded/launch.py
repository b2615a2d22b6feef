"""Becomes another program after giving up privileges: `python -I -S launch.py PARENT SIGNAL UID GID -- PROGRAM ARGS`.

A program of its own, because code that runs between fork and exec in a process full of threads may deadlock.
It imports the standard library only, tells the kernel to send SIGNAL when the parent dies (even by kill -9), and
gives up root first: a change of account clears that wish.
"""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_KEEP = -1


def _drop(uid: int, gid: int) -> None:
    if uid == _KEEP:
        return
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with(parent: int, signal_number: int) -> None:
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - not needed, and not everywhere present, on other systems

        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew our wish
        os._exit(1)


def main(argv: list[str]) -> None:
    """Drop privileges, bind the life of this process to its parent, and become the program."""
    parent, signal_number, uid, gid = (int(value) for value in argv[1:5])
    program = argv[6:]
    os.umask(0o077)
    _drop(uid, gid)
    _die_with(parent, signal_number)
    os.execv(program[0], program)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(sys.argv)
