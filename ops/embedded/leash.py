"""Become another program that cannot outlive the process which started it.

Run as a script, not imported:

    python -I -S leash.py PARENT_PID SIGNAL UID GID PROGRAM [ARGUMENT ...]

UID and GID are numbers, or "-" to stay who we are. It drops privileges first, because Linux forgets
the parent-death signal when a process changes its user, then asks the kernel for SIGNAL at the
death of the parent (prctl(2), PR_SET_PDEATHSIG), then becomes PROGRAM under the same process id.
Other systems have no such call: there the program only ends when it is told to.

A script of its own rather than a preexec_fn, which is unsafe in a process with threads (pytest).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop privileges, tie ourselves to the parent, become the program; see the module."""
    parent, signal_number, uid, gid, *command = arguments
    if uid != "-":
        os.setgroups([int(gid)])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone already")
    try:
        os.execv(command[0], command)  # noqa: S606 - the very purpose; no shell is wanted
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
