"""Tools of the tests of ops: find processes, wait for conditions, and run as somebody else."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from ops.embedded.processes import command_line

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60.0
"""How long a condition may take before a test fails: generous, for a busy machine."""


def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait until the condition holds; False when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def processes_naming(marker: str) -> list[int]:
    """The processes, without ourselves, whose command line contains the marker."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and any(marker in word for word in command_line(pid))]


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of a folder and of all folders above it."""
    found = {}
    for path in (folder, *folder.parents):
        status = path.stat()
        found[path] = (status.st_mode, status.st_uid, status.st_gid)
    return found
