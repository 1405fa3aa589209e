"""Processes of the benchmark: started and ended by their own number, and what the kernel says they cost."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0


class BenchError(Exception):
    """Something cannot be measured here; the message is for people."""


class Process:
    """A server under test."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], port: int, log: Path) -> None:
        """Made by ``server``."""
        self.name = name
        self.pid = popen.pid
        self.port = port
        self.log = log
        self._popen = popen

    @property
    def is_running(self) -> bool:
        """False once it has ended."""
        return self._popen.poll() is None

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far, to the nanosecond (``/proc/PID/task/*/schedstat``)."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory_bytes(self) -> int:
        """Its resident set (``VmRSS``)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"{self.name} has no memory any more")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    name: str,
    command: list[str],
    port: int,
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    is_ready: Callable[[], bool] | None = None,
) -> Iterator[Process]:
    """Run the command until its port answers; end it afterwards.

    Raises ``BenchError`` with the end of its log when it does not come up.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=folder or log.parent
        )
    process = Process(name, popen, port, log)
    try:
        _wait(process, is_ready or (lambda: answers(port)))
        yield process
    finally:
        popen.terminate()
        try:
            popen.wait(5)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def _wait(process: Process, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if not process.is_running or time.monotonic() > deadline:
            said = process.log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{process.name} did not start: {said}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """True when somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
