"""A parent process that sees to it that nothing survives the supervisor.

`run_guarded` forks: the child becomes the supervisor, the parent does nothing but wait. On Linux it
is a child subreaper (prctl(2)), so every process that loses its parent below it becomes its own:
grandchildren of a crashed worker, too. When the supervisor ends, however it ends, what is left gets
some seconds to stop (the kernel has told it to, see embedded/leash.py) and is then killed. When the
guard is killed instead, the kernel tells the supervisor to stop. Other systems lack these calls:
there the supervisor looks for its parent itself, and a supervisor killed hard leaves servers behind
which the next start ends.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5.0
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_guarded(supervise: Callable[[], int]) -> int:
    """Run `supervise` in a child process and return its exit code once nothing of it is left.

    Call it before any thread is started.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if "MAKELEVEL" in os.environ:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # `make run` is our terminal: go with it
    sys.stdout.flush()
    sys.stderr.flush()
    guard = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    supervisor = os.fork()
    if supervisor == 0:
        # A session of its own: Ctrl-C reaches the supervisor once, forwarded by the guard.
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        if os.getppid() != guard:
            sys.exit(1)
        sys.exit(supervise())
    for number in FORWARDED:
        signal.signal(number, lambda given, _frame: os.kill(supervisor, given))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    return _wait_for(supervisor)


def _wait_for(supervisor: int) -> int:
    code = 1
    while True:
        pid, status = os.wait()
        if pid == supervisor:
            code = os.waitstatus_to_exitcode(status)
            break
    for number in FORWARDED:
        signal.signal(number, signal.SIG_IGN)
    # A supervisor that ended by itself has stopped what it started: what is left are strays.
    _end_the_rest(GRACE_SECONDS if code < 0 else 0.0)
    if code < 0:
        sys.stderr.write(f"The supervisor was killed (signal {-code}); all its processes ended.\n")
        return 128 - code
    return code


def _end_the_rest(grace: float) -> None:
    """Wait until no child is left; after the grace, in seconds, kill what is."""
    deadline = time.monotonic() + grace
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > deadline:
                for child in children_of(os.getpid()):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.02)


def children_of(parent: int) -> list[int]:
    """The processes whose parent is this one now (Linux; empty elsewhere)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == parent:
            found.append(int(entry.parent.name))
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
