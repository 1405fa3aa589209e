"""What the embedded servers have in common: one owner, one port, one process, one log."""

import fcntl
import os
import secrets
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from ops.embedded.errors import EmbeddedServerError, disk_hint, explain_os_error
from ops.embedded.place import Place, settle
from ops.embedded.processes import (
    command_line,
    free_port,
    how_it_ended,
    on_a_leash,
    port_is_free,
    rotate,
    tail,
    wait_until,
)

START_SECONDS = 60.0
STOP_SECONDS = 20.0
RETRY_SECONDS = 15.0


class EmbeddedServer(ABC):
    """A server process that belongs to this process and ends with it.

    Start it from a thread that lives as long as the server shall: Linux ends the server at the
    death of the thread that started it.

    Args:
        directory: where its files shall lie; made when missing. One server a folder.
        port: the port on 127.0.0.1; None takes the one of last time, or any that is free.
        durable: False lets it forget data in a power cut (not in a crash), for tests.
        log: the file that its output goes to; None for one beside the data.
    """

    title: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        log: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self._given_port = port
        self._durable = durable
        self._log = log
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._place: Place | None = None

    def start(self) -> str:
        """Start the server, wait until it answers and return its URL, password included.

        Raises:
            EmbeddedServerError: with a sentence that says what is wrong and what to do.
        """
        if self._process is not None:
            raise EmbeddedServerError(f"{self.title} was started already.")
        try:
            self._take_lock()
            self._end_orphan()
            rotate(self.log)
            self._keep_password()
            self._prepare()
            self._launch_until_it_runs()
            self._finish_start()
        except OSError as error:
            self.stop()
            raise explain_os_error(error, f"start {self.title} in {self.directory}") from error
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server in order, by force after a deadline; quiet when it does not run."""
        process = self._process
        if process is not None:
            for number in (*self.stop_signals, signal.SIGKILL):
                if process.poll() is None:
                    process.send_signal(number)
                    wait_until(lambda: process.poll() is not None, STOP_SECONDS)
            process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    @abstractmethod
    def url(self) -> str:
        """The address with user, password and port, as clients take it."""

    @property
    def pid(self) -> int | None:
        """The process id while started."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """The exit code when the server has ended by itself, None while it runs."""
        return self._process.poll() if self._process else None

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the server wrote since its start."""
        return tail(self.log, lines, self._log_start)

    @property
    def place(self) -> Place:
        """Where its files lie and as whom it runs."""
        if self._place is None:
            self._place = settle(self.directory)
        return self._place

    @property
    def home(self) -> Path:
        """The folder with the data, the password, the port and the lock."""
        return self.place.home

    @property
    def data(self) -> Path:
        """The server's own data folder."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that the server's output goes to."""
        return self._log or self.home / "server.log"

    @property
    def port(self) -> int | None:
        """The port of this start or of the last one; None before the first."""
        try:
            text = (self.home / "port").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None

    @property
    def password(self) -> str:
        """The password, made at the first start and kept in a file that only the owner reads."""
        return (self.home / "password").read_text(encoding="ascii").strip()

    @abstractmethod
    def _prepare(self) -> None:
        """Make or check the data folder."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """The program and its arguments, with the data folder's path as one of them."""

    @abstractmethod
    def _is_ready(self, port: int) -> bool:
        """Whether the server answers."""

    @abstractmethod
    def _pid_file(self) -> Path:
        """The file that the server keeps while it runs, with its process id in line 1."""

    def _input(self) -> bytes:
        """What the server reads on its standard input at its start."""
        return b""

    @abstractmethod
    def _finish_start(self) -> None:
        """What is left to do once the server answers."""

    def _take_lock(self) -> None:
        """Be the only owner; the lock goes with our process, however that ends."""
        lock = (self.home / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedServerError(
                f"The {self.title} data in {self.directory} is in use already, by process {owner}."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _end_orphan(self) -> None:
        """Stop a server that survived its owner; forget the record of one that did not.

        We hold the lock, so a server that runs here has no owner. The recorded number may belong
        to any other process by now: only one whose command line names our data folder is ours.
        """
        record = self._pid_file()
        if not record.exists():
            return
        first = record.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
        pid = int(first) if first.isdigit() else 0
        for number in (*self.stop_signals, signal.SIGKILL):
            if pid and str(self.data) in command_line(pid):
                os.kill(pid, number)
                wait_until(lambda: str(self.data) not in command_line(pid), STOP_SECONDS)
        record.unlink(missing_ok=True)

    def _keep_password(self) -> None:
        path = self.home / "password"
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_hex(24) + "\n", encoding="ascii")
            unfinished.rename(path)

    def _launch_until_it_runs(self) -> None:
        """Launch, and again when someone was faster to take the port or is slow to leave."""
        deadline = time.monotonic() + RETRY_SECONDS
        fresh_port = False
        while True:
            port = self._choose_port(fresh=fresh_port)
            if self._launch(port):
                (self.home / "port").write_text(f"{port}\n", encoding="ascii")
                return
            said = self.log_tail()
            fresh_port = "Address already in use" in said
            # The last processes of a Postgres that was killed take a moment to notice it.
            leaving = "shared memory block" in said
            if time.monotonic() > deadline or not (fresh_port or leaving):
                raise self._failure()
            time.sleep(0.2)

    def _choose_port(self, *, fresh: bool) -> int:
        if self._given_port is not None:
            if not port_is_free(self._given_port):
                raise EmbeddedServerError(f"Port {self._given_port} for {self.title} is taken by another program.")
            return self._given_port
        kept = self.port
        if kept is not None and not fresh and port_is_free(kept):
            return kept
        return free_port()

    def _launch(self, port: int) -> bool:
        """Start the process; True once it answers, False when it ended or hangs."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log, tempfile.TemporaryFile() as given:
            given.write(self._input())
            given.seek(0)
            self._log_start = log.tell()
            process = subprocess.Popen(
                on_a_leash(self._command(port), self.stop_signals[0], self.place.account),
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                stdin=given,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
            )
        self._process = process
        wait_until(lambda: process.poll() is not None or self._is_ready(port), START_SECONDS)
        return process.poll() is None and self._is_ready(port)

    def _failure(self) -> EmbeddedServerError:
        """The sentence for a server that did not come up, from its log."""
        said = self.log_tail()
        code = self.poll()
        how = "did not answer in time" if code is None else how_it_ended(code)
        hint = disk_hint(self.home, said)
        return EmbeddedServerError(
            f"{self.title} {how}.{hint} Its data stays as it is in {self.data}; its log {self.log} ends with:\n{said}"
        )
