"""Starts processes, watches them, and stops them in order."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ops.console import Console
from ops.embedded.processes import how_it_ended, on_a_leash, rotate, tail, wait_until
from ops.embedded.server import EmbeddedServer

LINES_AT_ONCE = 20
ROUTINE = re.compile(r'\[(?:info|debug) *\]|"level": ?"(?:info|debug)"')
"""Lines that the terminal does not show, in both of our log formats; the logs have them."""

SAME_STROKE_SECONDS = 0.5


class StopRequestedError(BaseException):
    """Someone asked us to stop. No Exception, so that no handler of errors keeps it."""


class ProcessFailedError(Exception):
    """A process ended that should not have; the message is for people."""


@dataclass(frozen=True)
class ProcessDefinition:
    """A process that the supervisor runs.

    Args:
        name: short; names its log too.
        command: program (a full path) and arguments.
        environment: all of its environment variables.
        stop_signal: what asks it to stop in order.
        stop_seconds: how long that may take before it is killed.
        echo: whether its lines appear on the terminal.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    echo: bool = True


class Child:
    """A running process with a session of its own and a log."""

    def __init__(self, definition: ProcessDefinition, log: Path, directory: Path) -> None:
        self.definition = definition
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        rotate(log)
        log.touch(mode=0o600)
        self._read = 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                on_a_leash(list(definition.command), definition.stop_signal),
                cwd=directory,
                env=dict(definition.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def has_ended(self) -> bool:
        """Whether the process ended. It stays a zombie until `bury`, so its number stays ours."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def bury(self) -> int:
        """Kill what is left of its session, and return its exit code (negative: a signal's)."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def ask_to_stop(self) -> None:
        """Send it the signal that it knows as the request to stop."""
        if not self.has_ended():
            os.kill(self.pid, self.definition.stop_signal)

    def new_lines(self) -> list[str]:
        """The complete lines that it wrote since the last call."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            complete, newline, _ = file.read(1 << 20).rpartition(b"\n")
        self._read += len(complete) + len(newline)
        return complete.decode("utf-8", "replace").splitlines()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return tail(self.log, lines)


class Supervisor:
    """Runs servers and processes until one ends or someone asks to stop.

    Args:
        directory: where the processes run.
        logs: the folder for their logs.
        console: what people see.
    """

    def __init__(self, directory: Path, logs: Path, console: Console) -> None:
        self._directory = directory
        self._logs = logs
        self._console = console
        self._children: list[Child] = []
        self._servers: list[EmbeddedServer] = []
        self._parent = os.getppid()
        self._stop_asked_at: float | None = None
        self._stopping = False
        self._hurry = False

    def listen_to_signals(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask to stop; a second one asks to hurry."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def start_server(self, server: EmbeddedServer) -> str:
        """Start an embedded server; it is stopped after all processes. Returns its URL."""
        self._servers.append(server)
        return server.start()

    def start(self, definition: ProcessDefinition) -> Child:
        """Start a process that shall run until the end."""
        child = Child(definition, self._logs / f"{definition.name}.log", self._directory)
        self._children.append(child)
        return child

    def run_to_end(self, definition: ProcessDefinition) -> None:
        """Run a process that does one thing and ends.

        Raises:
            ProcessFailedError: when it ends with anything but 0, with its last lines.
        """
        child = self.start(definition)
        while not wait_until(child.has_ended, 0.2):
            self._console.tick()
            self._check_parent()
        self._children.remove(child)
        code = child.bury()
        if code != 0:
            raise ProcessFailedError(_death_notice(child, code))

    def watch(self, until: Callable[[], bool] | None = None) -> None:
        """Wait until the condition holds; without one, show the processes' lines until a stop.

        Raises:
            ProcessFailedError: when a process or a server ended by itself.
            StopRequestedError: when someone asked to stop.
        """
        while until is None or not until():
            self._check_parent()
            self._pass_lines_on(show=until is None)
            for child in self._children:
                if child.has_ended():
                    self._children.remove(child)
                    raise ProcessFailedError(_death_notice(child, child.bury()))
            for server in self._servers:
                code = server.poll()
                if code is not None:
                    how = f"{server.title} {how_it_ended(code)}. Its last lines ({server.log}):"
                    raise ProcessFailedError(f"{how}\n{_indented(server.log_tail(15))}")
            self._console.tick()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop everything: processes first to last, then servers last to first."""
        self._stopping = True
        for child in self._children:
            child.ask_to_stop()
            deadline = time.monotonic() + child.definition.stop_seconds
            while not child.has_ended() and not self._hurry and time.monotonic() < deadline:
                time.sleep(0.02)
            if not child.has_ended():
                self._console.say(f"  {child.definition.name} did not stop in time and was killed")
            child.bury()
        for server in reversed(self._servers):
            server.stop()
        self._children.clear()
        self._servers.clear()

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by name."""
        pids = {child.definition.name: child.pid for child in self._children}
        return pids | {s.title.lower(): s.pid for s in self._servers if s.pid is not None}

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        first = self._stop_asked_at is None
        if self._stop_asked_at is None:
            self._stop_asked_at = now
        elif now - self._stop_asked_at > SAME_STROKE_SECONDS:
            # make passes some signals on, so that one stroke may arrive twice.
            self._hurry = True
        if first and not self._stopping:
            raise StopRequestedError

    def _check_parent(self) -> None:
        """Where the kernel does not tell us that our guard is gone, see it ourselves."""
        if os.getppid() != self._parent:
            raise StopRequestedError

    def _pass_lines_on(self, *, show: bool) -> None:
        for child in self._children:
            lines = [line for line in child.new_lines() if not ROUTINE.search(line)]
            if show and child.definition.echo:
                for line in lines[:LINES_AT_ONCE]:
                    self._console.line_of(child.definition.name, line)
                if len(lines) > LINES_AT_ONCE:
                    more = f"… {len(lines) - LINES_AT_ONCE} more lines in {child.log}"
                    self._console.line_of(child.definition.name, more)


def python(*arguments: str) -> list[str]:
    """The command line of our own Python with these arguments."""
    return [sys.executable, *arguments]


def _death_notice(child: Child, code: int) -> str:
    how = f"{child.definition.name} {how_it_ended(code)}. Its last lines ({child.log}):"
    return f"{how}\n{_indented(child.last_words())}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (nothing)"
