"""Small tools for processes and ports, used by the embedded servers and by the supervisor."""

import os
import platform
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import Signals

from ops.embedded.place import Account

HOST = "127.0.0.1"
LEASH = Path(__file__).with_name("leash.py")


def on_a_leash(command: list[str], stop_signal: Signals, account: Account | None = None) -> list[str]:
    """The command line which runs `command` so that it ends when this process ends.

    Args:
        command: program (a full path) and arguments.
        stop_signal: what the kernel sends it at our death; Linux only, see leash.py.
        account: the user that runs it; None for ourselves.
    """
    uid, gid = (str(account.uid), str(account.gid)) if account else ("-", "-")
    leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(stop_signal))]
    return [*leash, uid, gid, *command]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition, looking every 10 ms; False when it has not come in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def port_is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on this port of the host now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Any port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone, a zombie or not ours to see."""
    if platform.system() == "Linux":
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(argument) for argument in raw.split(b"\0") if argument]
    listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shlex.split(listing.stdout)


def rotate(log: Path, keep: int = 3) -> None:
    """Begin a new log, keeping the last ones as NAME.1, NAME.2 …"""
    for number in range(keep, 0, -1):
        newer = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if newer.exists():
            newer.replace(log.with_name(f"{log.name}.{number}"))


def tail(log: Path, lines: int, start: int = 0) -> str:
    """The last lines of a log, of what was written from byte `start` on; "" without a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - 400 * lines))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def how_it_ended(code: int) -> str:
    """An exit code in words; a negative one is a signal's, as subprocess gives it."""
    if code < 0:
        return f"was ended by signal {-code} ({Signals(-code).name})"
    return f"ended with exit code {code}"
