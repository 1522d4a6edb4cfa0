"""Starts one program so that it dies with its parent; run as a script of its own, before anything heavy is imported.

    python -I -S launch.py <parent pid> <signal> <user id or -> <group id or -> <program> [<argument> …]

Doing this in a fresh interpreter rather than between fork and exec keeps it safe beside threads and gRPC.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Becomes another user if told to, ties its life to the parent's, and becomes the program."""
    parent, death_signal, user, group, program, *rest = arguments
    # Loaded first: the other user may not be able to read our Python.
    libc = ctypes.CDLL(None)
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent went away before the program started")
    os.execv(program, [program, *rest])  # noqa: S606 - an absolute path and a list of arguments.


if __name__ == "__main__":
    main(sys.argv[1:])
